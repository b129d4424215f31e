"""Which differences are real: between runs, or between the arms of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sallet.core.errors import StoreError
from sallet.core.paired import Difference, holm
from sallet.harness.arms import Match, Matches, between, within
from sallet.harness.measures import MEASURES
from sallet.harness.pairing import OTHERWISE, paired
from sallet.runs.manifest import Manifest
from sallet.runs.record import CellKey, Row
from sallet.runs.store import Store

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """One rate under two arms; rates and difference are over the pairs alone.

    `corrected` is p as it counts among all comparisons that were made together (Holm), and decides
    the verdict; both are None where there is no pair.
    """

    measure: str
    first: str
    second: str
    key: CellKey  # of the second arm
    against: CellKey  # of the first
    found: Difference | None
    left_out: Mapping[str, int]
    corrected: float | None = None

    @property
    def verdict(self) -> str:
        """In plain words, of the second arm."""
        if self.found is None or self.corrected is None:
            return "not comparable: no pair"
        if self.corrected < LEVEL:
            return "higher" if self.found.difference[0] > 0 else "lower"
        most = f"{100 * self.found.most:.0f} points"
        return f"no difference shown (n={self.found.n}, could miss up to {most})"


@dataclass(frozen=True)
class Compared:
    """All comparisons that were made together, and what to know before trusting them."""

    comparisons: tuple[Comparison, ...]
    alone: int  # cells without another to stand against
    warnings: tuple[str, ...]


def compare_runs(stores: Mapping[str, Store], by: str | None = None) -> Compared:
    """Every later run against the first, cell by cell."""
    matches = between({name: store.rows for name, store in stores.items()}, by)
    made = {name: store.manifest for name, store in stores.items()}
    return _compared(matches, _differing_runs(made, matches.pairs, by))


def compare_within(rows: Sequence[Row], by: str, baseline: str | None = None) -> Compared:
    """The arms of one run against its baseline."""
    return _compared(within(rows, by, baseline), [])


def _compared(matches: Matches, warnings: Sequence[str]) -> Compared:
    found: list[Comparison] = []
    reseeded = other = 0
    for match in matches.pairs:
        one, two = match.first, match.second
        known = {name: pairs for name in MEASURES if (pairs := paired(match, name))}
        found += [
            Comparison(name, one.name, two.name, two.key, one.key, pairs.difference, pairs.left_out)
            for name, pairs in known.items()
        ]
        # A pair may be in several rates; it is told of once.
        reseeded += max((pairs.reseeded for pairs in known.values()), default=0)
        other += max((pairs.left_out.get(OTHERWISE, 0) for pairs in known.values()), default=0)
    if not any(one.found for one in found):
        raise StoreError(f"nothing can be compared, as no two rows are a pair: {_why(found)}")
    more = list(warnings)
    if other:
        more.append(f"{other} pairs are left out: other samples under the same names")
    if reseeded:
        more.append(f"{reseeded} pairs had other defence seeds in the two arms")
    return Compared(tuple(_corrected(found)), matches.alone, tuple(more))


def _why(found: Sequence[Comparison]) -> str:
    """How many samples are in no pair, by the reason."""
    total: Counter[str] = Counter()
    for one in found:
        total.update(one.left_out)
    return "; ".join(f"{n} {why}" for why, n in total.most_common()) or "no rate is in both cells"


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    known = [one.found for one in found if one.found]
    corrected = iter(holm([one.p for one in known], [one.least_p for one in known]))
    return [replace(one, corrected=next(corrected)) if one.found else one for one in found]


def _differing_runs(
    made: Mapping[str, Manifest], pairs: Sequence[Match], by: str | None
) -> list[str]:
    """What differs between runs beside what is compared."""
    told: list[str] = []
    told += _told("sallet", {name: one.sallet for name, one in made.items()})
    told += _told("the commit", {name: one.commit[:12] for name, one in made.items()})
    told += _told("seed", {n: str(one.recipe.get("seed")) for n, one in made.items()})
    for match in pairs:
        one, two = match.first, match.second
        if by != "model":
            told += _told(f"the weights of {one.key.model}", _of(match, "model_revision"))
        if by != "defense":
            told += _told(f"the configuration of {one.key.defense}", _of(match, "defense_config"))
        if (count := len(one.rows)) != (other := len(two.rows)):
            counts = {one.name: str(count), two.name: str(other)}
            told += _told(f"the samples of {one.key.benchmark}", counts)
    return list(dict.fromkeys(told))


def _of(match: Match, name: str) -> dict[str, str]:
    return {
        arm.name: ", ".join(sorted({str(getattr(row, name)) for row in arm.rows}))
        for arm in (match.first, match.second)
    }


def _told(what: str, found: Mapping[str, str]) -> list[str]:
    if len({*found.values()}) < 2:
        return []
    shown = ", ".join(f"{value or 'unknown'} in {name}" for name, value in found.items())
    return [f"the runs differ in {what}: {shown}"]
