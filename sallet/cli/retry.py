"""`sallet retry DIR`: the rows that could not be assessed are taken back and made again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from sallet.cli.ending import Ending, say
from sallet.cli.evaluate import Cache, execute
from sallet.core.goal import Outcome
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.runs.manifest import Manifest
from sallet.runs.parse import parse
from sallet.runs.record import Row
from sallet.runs.store import opened


def run(args: argparse.Namespace) -> int:
    """Withdraws rows, makes them and what is missing of their cells again, and sums up."""
    ending = Ending.of(args)
    recipe = parse(Manifest.read(args.folder).recipe)
    parts = Parts(args.device)
    with opened(args.folder, recipe, resume=True) as store:
        store.asks()
        taken = _taken(store.rows, errors=args.errors)
        begun = {row.cell for row in [*store.rows, *store.withdrawn()]}
        whole = plan(recipe, parts)
        planned = replace(whole, cells=tuple(c for c in whole.cells if c.digest in begun))
        store.withdraw(taken)
        say(f"note: {len(taken)} rows that could not be assessed are made again")
        return execute(planned, parts, store, ending, words=args.words, cache=Cache.of(args))


def _taken(rows: Sequence[Row], *, errors: bool) -> list[Row]:
    """Every unassessed row, or those of which an answer could not be had."""
    return [
        row
        for row in rows
        if row.outcome == Outcome.UNASSESSED
        and (not errors or any(said.text is None for said in (*row.tries, *row.votes)))
    ]
