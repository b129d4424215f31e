"""Who refused: the model, a defence's own canned words, or the fallback. Never added up.

(The field's audits found keyword scorers that counted, as the model's safety, words that the
defence itself had put there.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sallet.core.statistics import Rate, rate
from sallet.harness.measures import assessed
from sallet.runs.record import CellKey, Row


@dataclass(frozen=True)
class Provenance:
    """Of one cell's `n` rows: `answered` by the model, refused by whom, or not assessed.

    `refused` has a count for each who; the three together are all rows. `rates` are over the
    assessed ones.
    """

    key: CellKey
    n: int
    unassessed: int
    answered: int
    refused: dict[str, int]
    rates: dict[str, Rate]


def provenance(rows: Iterable[Row]) -> list[Provenance]:
    """One for each cell, in the order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.cell, []).append(row)
    return [_of(group) for group in groups.values()]


def refusal_rates(rows: Sequence[Row]) -> dict[str, Rate]:
    """For each who refused at all, how often, over the assessed rows; the most frequent first."""
    known = [row for row in rows if assessed(row)]
    clusters = [row.cluster for row in known]
    found = Counter(row.refused_by for row in known if row.refused_by)
    rates = {who: rate([row.refused_by == who for row in known], clusters) for who in _order(found)}
    return {who: one for who, one in rates.items() if one is not None}


def _of(rows: Sequence[Row]) -> Provenance:
    known = [row for row in rows if assessed(row)]
    found = Counter(row.refused_by for row in known if row.refused_by)
    return Provenance(
        key=rows[0].key,
        n=len(rows),
        unassessed=len(rows) - len(known),
        answered=len(known) - found.total(),
        refused={who: found[who] for who in _order(found)},
        rates=refusal_rates(rows),
    )


def _order(found: Counter[str]) -> list[str]:
    return sorted(found, key=lambda who: (-found[who], who))
