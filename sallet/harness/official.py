"""The benchmark's own scorer over a cell's rows, with intervals; unassessed rows are in none."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np

from sallet import catalog
from sallet.core.clusters import grouped
from sallet.core.statistics import Rate, of_sums
from sallet.harness.measures import assessed
from sallet.judges.official.totals import Judged, Total
from sallet.runs.record import Row

RESAMPLES = 300


def official(rows: Sequence[Row]) -> dict[str, Rate]:
    """Each figure that the cell's judge has a scorer for; nothing for other judges."""
    target = catalog.TOTALS.get(rows[0].key.judge.partition("@")[0])
    kept = [row for row in rows if assessed(row) and row.answer is not None and not row.harmful]
    if target is None or not kept:
        return {}
    module, _, name = target.partition(":")
    scorer = getattr(importlib.import_module(module), name)
    items = [
        Judged(row.answer or "", row.reference, row.category, row.score, row.against)
        for row in kept
    ]
    clusters = [row.cluster for row in kept]
    found = {total.name: _rate(total, items, clusters) for total in scorer(items)}
    return {name: rate for name, rate in found.items() if rate is not None}


def _rate(total: Total, items: Sequence[Judged], clusters: Sequence[str]) -> Rate | None:
    value = total.of(items)
    if value is None:
        return None
    if total.marks is not None:
        shares = np.asarray(total.marks, float) / total.highest
        sizes, won = grouped(clusters, shares)
        _, low, high = of_sums(sizes, won)
        return value, low * total.highest, high * total.highest
    return _resampled(total, value, items, clusters)


def _resampled(
    total: Total, value: float, items: Sequence[Judged], clusters: Sequence[str]
) -> Rate:
    """The percentile bootstrap over whole clusters, of what is no mean (precision, F1)."""
    members: dict[str, list[int]] = {}
    for i, name in enumerate(clusters):
        members.setdefault(name, []).append(i)
    groups, rng = list(members.values()), np.random.default_rng(0)
    drawn: list[float] = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(groups), size=len(groups))
        again = total.of([items[i] for g in chosen for i in groups[int(g)]])
        if again is not None:
            drawn.append(again)
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn else (value, value)
    return value, min(value, float(low)), max(value, float(high))
