"""`sallet evaluate`: a recipe, by file or by flags, to rows, a summary and a page."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sallet.cli import dry
from sallet.cli.overrides import override
from sallet.cli.progress import Bars
from sallet.cli.report import finish
from sallet.core.errors import StoreError, UsageError
from sallet.harness.evaluate import evaluate
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, plan
from sallet.harness.summary import unassessed
from sallet.harness.work import effort, work
from sallet.runs.parse import parse, read
from sallet.runs.store import Store, opened, read_rows


def run(args: argparse.Namespace) -> int:
    """Runs, resumes or only plans the recipe."""
    recipe = parse(override(read(args.recipe) if args.recipe else {}, args))
    parts = Parts(args.device)
    planned = plan(recipe, parts).only(_only(args.only))
    for note in planned.notes:
        print(f"sallet: note: {note}", file=sys.stderr)
    if args.dry_run:
        return dry.show(planned, parts, as_json=args.json)
    out = args.out or Path("runs") / recipe.name
    execute(
        planned,
        parts,
        out,
        resume=args.resume,
        as_json=args.json,
        words=args.words if args.resume else [*args.words, "--resume"],
        most_unassessed=args.max_unassessed,
    )
    return 0


def execute(
    planned: Plan,
    parts: Parts,
    out: Path,
    *,
    resume: bool,
    as_json: bool,
    words: Sequence[str],
    most_unassessed: float,
) -> None:
    """Evaluates the plan into `out` and shows it; `words` is the command that would go on."""
    with opened(out, planned.recipe, resume=resume) as store:
        with _kept(store, words), bars(planned, parts) as watch:
            evaluate(planned, store, parts, watch)
        finish(store, as_json=as_json)
        within_budget(store, most_unassessed)


def bars(planned: Plan, parts: Parts) -> Bars:
    """Progress for this plan."""
    todo = zip(planned.cells, work(planned, parts), strict=True)
    efforts = [effort(cell, one, parts) for cell, one in todo]
    return Bars(efforts, [len(cell.samples) for cell in planned.cells])


def within_budget(store: Store, most: float) -> None:
    """An error if more of the rows than that could not be assessed."""
    share, reason = unassessed(store.rows)
    if share > most:
        raise StoreError(
            f"{share:.0%} of {len(store.rows)} rows are unassessed, more than the budget of "
            f"{most:.0%} (--max-unassessed); most often: {reason}"
        )


@contextmanager
def _kept(store: Store, words: Sequence[str]) -> Iterator[None]:
    """Says, whatever stops the run, what is kept and how to go on."""
    try:
        yield
    except BaseException as error:
        kept = len(read_rows(store.folder))
        if kept:
            error.add_note(f"{kept} rows are kept; go on with: sallet {shlex.join(words)}")
        raise


def _only(pairs: list[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for pair in (part for text in pairs for part in text.split(",")):
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"--only takes KEY=VALUE,...; {pair!r} has no `=`")
        wanted[key.strip()] = value.strip()
    return wanted
