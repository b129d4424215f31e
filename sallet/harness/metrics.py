"""From rows to cells. DESIGN's words: what a rate is taken over decides what it means.

Unassessed rows are in `n`, counted beside it, and in no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from sallet.core.goal import Outcome
from sallet.core.statistics import Rate, complement, interval_for
from sallet.harness.measures import (
    assessed,
    broken,
    broken_there,
    broken_within,
    differs,
    flipped,
    refused,
    right,
    share,
)
from sallet.harness.official import official
from sallet.harness.provenance import refusal_rates
from sallet.runs.record import Cell, Row


def cells(rows: Iterable[Row]) -> list[Cell]:
    """One cell for each key, in the order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.cell, []).append(row)
    return [cell(group) for group in groups.values()]


def cell(rows: Sequence[Row]) -> Cell:
    """The sums of one cell's rows."""
    key = rows[0].key
    known = [row for row in rows if assessed(row)]
    asr = share(rows, broken)
    return Cell(
        key=key,
        n=len(rows),
        unassessed=len(rows) - len(known),
        asr=asr,
        harmless=complement(asr) if key.goal == "jailbreak" else None,
        over_refusal=share(rows, refused),
        utility=share(rows, right),
        refused_by=dict(Counter(row.refused_by for row in rows if row.refused_by).most_common()),
        calls_per_answer=_mean([row.asks for row in rows]),
        seconds_per_answer=_mean([row.seconds for row in rows]),
        flip_rate=share(rows, flipped),
        eligible=sum(row.eligible is True for row in rows),
        flags=tuple(dict.fromkeys(flag for row in rows for flag in row.flags)),
        interval=interval_for([row.cluster for row in rows]),
        clusters=len({row.cluster for row in rows}),
        reasons=dict(Counter(row.reason for row in known).most_common(10)),
        attack_seconds=_mean([row.attack_seconds for row in rows]),
        attack_looks=_mean([row.attack_looks for row in rows]),
        attack_asks=_mean([row.attack_asks for row in rows]),
        refusal_rates=refusal_rates(rows),
        resubmission_curve=resubmission_curve(rows),
        broken_by=dict(Counter(row.by for row in rows if row.by and broken(row)).most_common()),
        source_asr=share(rows, broken_there),
        official=official(rows),
        second_judge=rows[0].second_judge,
        disagreement=share(rows, differs),
        second_unassessed=sum(row.second_outcome == Outcome.UNASSESSED for row in rows),
        categories=by_category(rows),
        source_n=sum(broken_there(row) is not None for row in rows),
    )


def by_category(rows: Sequence[Row]) -> dict[str, Rate]:
    """The cell's main rate of each category of its benchmark, where it has more than one.

    Success where anything is attacked or harmful, else the share answered right.
    """
    measure = broken if rows[0].key.goal is not None else right
    names = dict.fromkeys(row.category for row in rows if row.category)
    found = {n: share([row for row in rows if row.category == n], measure) for n in names}
    return {n: rate for n, rate in found.items() if rate is not None} if len(names) > 1 else {}


def resubmission_curve(rows: Sequence[Row]) -> tuple[Rate, ...]:
    """Success after 1, 2, ... submissions of the same file; its last point is the cell's rate.

    A sample that nobody could assess is in no point of it. What answers alike every time was sent
    once and has a level curve.
    """
    times = rows[0].key.resubmissions
    if times == 1:
        return ()
    fell = {row.attempts for row in rows if broken(row)}
    curve: list[Rate] = []
    for count in range(1, times + 1):
        if curve and count not in fell:
            curve.append(curve[-1])
        elif (point := share(rows, partial(broken_within, submissions=count))) is not None:
            curve.append(point)
    return tuple(curve)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
