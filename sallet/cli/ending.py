"""How a command that makes or reads a run ends: what is said, what is kept, and the exit code."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sallet.cli.report import finish
from sallet.core.errors import StoreError
from sallet.harness.summary import unassessed
from sallet.harness.thresholds import Limits, breaches, parse
from sallet.runs.store import Store, read_rows

BREACHED = 100


@dataclass(frozen=True)
class Ending:
    """How a run is shown, and what it must keep to, or its exit code says so."""

    as_json: bool = False
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, args: argparse.Namespace) -> Ending:
        """As the flags say; wrong ones are an error before anything is run."""
        return cls(args.json, limits_of(args))


def limits_of(args: argparse.Namespace) -> Limits:
    """`--fail-over`, `--fail-under` and `--max-unassessed`."""
    over, under = parse(args.fail_over, "over"), parse(args.fail_under, "under")
    return Limits(over, under, args.max_unassessed)


def ended(store: Store, ending: Ending) -> int:
    """Sums up, shows, and gives the exit code."""
    summary = finish(store, as_json=ending.as_json)
    return exit_code(store, summary["cells"], ending.limits)


def exit_code(store: Store, cells: Sequence[Mapping[str, Any]], limits: Limits) -> int:
    """The code that the rows deserve; `cells` are their sums, as in `summary.json`.

    More unassessed rows than the budget has room for are an error.
    """
    share, reason = unassessed(store.rows)
    if share > limits.most_unassessed:
        again = "" if store.manifest.scored else f"; `sallet retry {store.folder}` makes them again"
        raise StoreError(
            f"{share:.0%} of {len(store.rows)} rows are unassessed, more than the budget of "
            f"{limits.most_unassessed:.0%} (--max-unassessed){again}; most often: {reason}"
        )
    lines = breaches(cells, limits.over, limits.under)
    for line in lines:
        say(line)
    return BREACHED if lines else 0


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


def say(text: str) -> None:
    """A line for the user, beside what a script reads."""
    print(f"sallet: {text}", file=sys.stderr)
