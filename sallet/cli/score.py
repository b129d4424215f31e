"""`sallet score DIR --judge X`: a run's answers, judged by another judge, as a run of its own."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from sallet.cli.evaluate import Ending, ended, kept, say
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.harness.score import Score, Scorer
from sallet.runs.parse import parse
from sallet.runs.record import Row
from sallet.runs.store import Store, opened

BATCH = 500  # rows that are written together


def run(args: argparse.Namespace) -> int:
    """Writes the rows as judged now beside the old run, and says which verdicts changed."""
    ending = Ending.of(args)
    old = Store.read(args.folder)
    parts = Parts()
    parts.judge(args.judge)  # an unknown one is an error before a folder is made
    planned = plan(replace(parse(old.manifest.recipe), judge=args.judge), parts)
    scorer = Scorer(planned, old.artifacts, parts)
    out: Path = args.out or _beside(args.folder, args.judge)
    with opened(out, planned.recipe, resume=args.resume) as store:
        store.rescores(old)
        todo = [row for row in old.rows if not store.has(scorer.cell(row).digest, row.sample)]
        with kept(store, args.words if args.resume else [*args.words, "--resume"]):
            _write(store, scorer, todo)
        code = ended(store, ending)
    _tell(old.rows, store.rows)
    return code


def _write(store: Store, scorer: Scorer, rows: Sequence[Row]) -> None:
    bar = track(rows, "judging", console=Console(stderr=True), disable=not rows)
    scores: list[Score] = []
    for row in bar:
        scores.append(scorer.score(row))
        if len(scores) % BATCH == 0:
            store.append([one.row for one in scores[-BATCH:]])
    store.append([one.row for one in scores[len(scores) // BATCH * BATCH :]])
    for flag, words in (
        ("short", "were sent no more after a success that is none to this judge: see docs/runs.md"),
        ("thin", "come from a format that kept one answer of each sample"),
    ):
        count = sum(getattr(one, flag) for one in scores)
        if count:
            say(f"note: {count} of {len(scores)} rows {words}")


def _tell(old: Iterable[Row], new: Iterable[Row]) -> None:
    """How many verdicts changed, and how."""
    before = {(row.key.benchmark, _arm(row), row.sample): row.outcome for row in old}
    changes = Counter(
        f"{was} -> {row.outcome}"
        for row in new
        if (was := before.get((row.key.benchmark, _arm(row), row.sample))) != row.outcome
    )
    total = sum(changes.values())
    shown = "; ".join(f"{count} {name}" for name, count in changes.most_common())
    say(f"note: {total} verdicts changed" + (f": {shown}" if shown else ""))


def _arm(row: Row) -> str:
    return repr(replace(row.key, judge=""))


def _beside(folder: Path, judge: str) -> Path:
    plain = "".join(letter if letter.isalnum() else "-" for letter in judge)
    return folder.with_name(f"{folder.resolve().name}-{plain}")
