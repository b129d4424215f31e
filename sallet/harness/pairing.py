"""Two cells' rows as pairs: the same sample under both, judged in both.

A pair is the same sample of the same benchmark, with the same question, right answers, wish of the
attacker and clean image, that counts in this rate under both arms. What is not one is counted, by
its reason, and never filled in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sallet.core.paired import Difference, difference
from sallet.harness.arms import Match
from sallet.harness.measures import MEASURES, assessed, concerns
from sallet.runs.record import Row

ONE_ONLY = "in one arm only"
OTHERWISE = "of another content under the same name"
UNASSESSED = "not assessed in both"
INELIGIBLE = "not answered right in both when unattacked"


@dataclass(frozen=True)
class Paired:
    """What the pairs say; None where there is none. `reseeded` pairs had other defence seeds."""

    difference: Difference | None
    left_out: Mapping[str, int]
    reseeded: int


def paired(match: Match, name: str) -> Paired | None:
    """The pairs of a match; None where the measure of this name is not about both cells."""
    measure, arms = MEASURES[name], (match.first, match.second)
    if not all(concerns(name, arm.key) for arm in arms):
        return None
    if all(measure(row) is None for arm in arms for row in arm.rows):
        return None
    first, second = ({row.sample: row for row in arm.rows} for arm in arms)
    left: Counter[str] = Counter()
    left[ONE_ONLY] = len(first.keys() ^ second.keys())
    hits: list[tuple[bool, bool, str]] = []
    reseeded = 0
    for sample in (sample for sample in first if sample in second):
        one, two = first[sample], second[sample]
        hit, other = measure(one), measure(two)
        if _content(one) != _content(two):
            left[OTHERWISE] += 1
        elif hit is None or other is None:
            left[INELIGIBLE if assessed(one) and assessed(two) else UNASSESSED] += 1
        else:
            hits.append((hit, other, one.cluster))
            reseeded += one.defense_seeds[:1] != two.defense_seeds[:1]
    found = difference([h for h, _, _ in hits], [o for _, o, _ in hits], [c for _, _, c in hits])
    return Paired(found, {why: n for why, n in left.items() if n}, reseeded)


def _content(row: Row) -> object:
    return row.question, row.reference, row.wanted, row.clean_images, row.harmful
