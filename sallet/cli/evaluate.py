"""`sallet evaluate`: a recipe, by file or by flags, to rows, a summary and a page."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
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
from sallet.harness.thresholds import breaches
from sallet.harness.thresholds import parse as parse_limits
from sallet.harness.work import effort, work
from sallet.runs.answers import Answers, default_path
from sallet.runs.parse import parse, read
from sallet.runs.store import Store, opened, read_rows

BREACHED = 100


@dataclass(frozen=True)
class Ending:
    """What a run must keep to, or its exit code says so."""

    as_json: bool = False
    most_unassessed: float = 0.1
    over: Mapping[str, float] = field(default_factory=dict[str, float])
    under: Mapping[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def of(cls, args: argparse.Namespace) -> Ending:
        """As the flags say; wrong ones are an error before anything is run."""
        over, under = parse_limits(args.fail_over, "over"), parse_limits(args.fail_under, "under")
        return cls(args.json, args.max_unassessed, over, under)


def run(args: argparse.Namespace) -> int:
    """Runs, resumes or only plans the recipe."""
    ending = Ending.of(args)
    recipe = parse(override(read(args.recipe) if args.recipe else {}, args))
    parts = Parts(args.device)
    planned = plan(recipe, parts).only(_only(args.only))
    for note in planned.notes:
        say(f"note: {note}")
    if args.dry_run:
        return dry.show(planned, parts, as_json=args.json)
    out = args.out or Path("runs") / recipe.name
    words = args.words if args.resume else [*args.words, "--resume"]
    with opened(out, planned.recipe, resume=args.resume) as store:
        return execute(planned, parts, store, ending, words=words, cache=Cache.of(args))


@dataclass(frozen=True)
class Cache:
    """Where answers are remembered across runs (None: nowhere), and whether endpoints' are."""

    path: Path | None = None
    endpoints: bool = False

    @classmethod
    def of(cls, args: argparse.Namespace) -> Cache:
        """As the flags say."""
        return cls(None if args.no_cache else args.cache or default_path(), args.cache_endpoints)


def execute(
    planned: Plan,
    parts: Parts,
    store: Store,
    ending: Ending,
    *,
    words: Sequence[str],
    cache: Cache,
) -> int:
    """Evaluates the plan and shows it; `words` is the command that would go on."""
    known = Answers(cache.path, tell=lambda text: say(f"note: {text}"))
    with kept(store, words), bars(planned, parts) as watch, closing(known):
        evaluate(planned, store, parts, watch, cache=known, cache_endpoints=cache.endpoints)
    if known.hits:
        say(f"note: {known.hits} answers were known from earlier runs ({cache.path})")
    return ended(store, ending)


def ended(store: Store, ending: Ending) -> int:
    """Sums up, shows, and gives the exit code that the rows deserve."""
    summary = finish(store, as_json=ending.as_json)
    within_budget(store, ending.most_unassessed)
    lines = breaches(summary["cells"], ending.over, ending.under)
    for line in lines:
        say(line)
    return BREACHED if lines else 0


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
def kept(store: Store, words: Sequence[str]) -> Iterator[None]:
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


def say(text: str) -> None:
    """A line for the user, beside what a script reads."""
    print(f"sallet: {text}", file=sys.stderr)
