"""Rows that could not be assessed are taken back, to be made again."""

from __future__ import annotations

from dataclasses import replace

from sallet.core.goal import Outcome
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, plan
from sallet.runs.parse import parse
from sallet.runs.record import Row
from sallet.runs.store import Store


def retried(store: Store, parts: Parts, *, errors: bool) -> tuple[Plan, int]:
    """What is missing of the cells that the run has begun, and how many rows were taken back.

    Every unassessed row is, or with `errors` those of which an answer could not be had.
    """
    store.asks()
    whole = plan(parse(store.manifest.recipe), parts)
    taken = [row for row in store.rows if _failed(row, errors)]
    begun = {row.cell for row in [*store.rows, *store.withdrawn()]}
    store.withdraw(taken)
    return replace(whole, cells=tuple(c for c in whole.cells if c.digest in begun)), len(taken)


def _failed(row: Row, errors: bool) -> bool:
    unanswered = any(said.text is None for said in (*row.tries, *row.votes))
    return row.outcome == Outcome.UNASSESSED and (unanswered or not errors)
