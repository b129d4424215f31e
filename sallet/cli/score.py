"""`sallet score DIR --judge X`: a run's answers, judged by another judge, as a run of its own."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress

from sallet.api import beside, judged_by
from sallet.cli.ending import Ending, ended, kept, say
from sallet.harness.parts import Parts
from sallet.harness.score import Losses, score, unjudged
from sallet.runs.record import Row
from sallet.runs.store import Store, opened


def run(args: argparse.Namespace) -> int:
    """Writes the rows as judged now beside the old run, and says which verdicts changed."""
    ending = Ending.of(args)
    old, parts = Store.begun(args.folder), Parts()
    planned = judged_by(args.judge, old, parts)
    words = args.words if args.resume else [*args.words, "--resume"]
    out = args.out or beside(args.folder, args.judge)
    with opened(out, planned.recipe, resume=args.resume) as store:
        with kept(store, words), Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("judging", total=len(old.rows))
            losses = score(
                old,
                store,
                planned,
                parts,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
        code = ended(store, ending)
    _tell(losses, old.rows, store.rows)
    return code


def _tell(losses: Losses, old: Sequence[Row], new: Sequence[Row]) -> None:
    """What the new verdicts rest on, how many changed, and how."""
    if losses.short:
        say(
            f"note: {losses.short} rows were sent no more after a success that is none to this "
            "judge; a new run would have sent them again"
        )
    if losses.thin:
        say(f"note: {losses.thin} rows are of a format that kept one answer of each sample")
    before = {_place(row): row.outcome for row in old}
    pairs = [(before[_place(row)], row.outcome) for row in new]
    changes = Counter(f"{was} -> {now}" for was, now in pairs if was != now)
    shown = "; ".join(f"{count} {name}" for name, count in changes.most_common())
    say(f"note: {changes.total()} verdicts changed" + (f": {shown}" if shown else ""))


def _place(row: Row) -> tuple[str, str]:
    return unjudged(row.key), row.sample
