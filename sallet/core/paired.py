"""The same things twice: by how much two rates differ, and whether that may be chance.

A pair is one thing under both arms. Only pairs that differ say which arm is higher; how many there
are in all says how much a difference could be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from sallet.core.clusters import NORMAL, Array, Clusters, grouped
from sallet.core.statistics import Rate, interval_for

Between: TypeAlias = Literal["tango", "clustered bootstrap"]
Test: TypeAlias = Literal["mcnemar", "cluster sign flips"]


@dataclass(frozen=True)
class Difference:
    """The second arm's rate less the first's, over `n` pairs; `p` is of there being no difference.

    `gained` pairs are hits in the second arm alone, `lost` ones in the first alone. `least_p` is
    what p would be if all that differ went one way: what these pairs could show at most.
    """

    n: int
    clusters: int
    first: float
    second: float
    gained: int
    lost: int
    difference: Rate
    p: float
    least_p: float
    interval: Between
    test: Test

    @property
    def most(self) -> float:
        """The largest difference, in either direction, that the interval leaves room for."""
        return max(-self.difference[1], self.difference[2])


def difference(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[str]
) -> Difference | None:
    """What two arms say of the same things, in the same order; None of nothing."""
    if not first:
        return None
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    gain, loss = two & ~one, one & ~two
    sizes, gained, lost = grouped(clusters, gain.astype(float), loss.astype(float))
    alone = interval_for(clusters) == "wilson"
    bounds = _alone if alone else _clustered
    low, high = bounds(sizes, gained, lost)
    middle = float((gained.sum() - lost.sum()) / sizes.sum())
    differing = np.count_nonzero(gained - lost)
    return Difference(
        n=len(one),
        clusters=len(sizes),
        first=float(one.mean()),
        second=float(two.mean()),
        gained=int(gained.sum()),
        lost=int(lost.sum()),
        difference=(middle, min(middle, low), max(middle, high)),
        p=mcnemar(int(gained.sum()), int(lost.sum())) if alone else sign_flips(gained - lost),
        least_p=min(2.0 ** (1 - differing), 1.0),
        interval="tango" if alone else "clustered bootstrap",
        test="mcnemar" if alone else "cluster sign flips",
    )


def mcnemar(gained: int, lost: int) -> float:
    """McNemar's test (1947), exact and two-sided: of the pairs that differ, half go each way."""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def sign_flips(sums: Array) -> float:
    """The exact test for clusters: had the arms changed places in any of them, how often would the
    sum be as far from zero?

    All 2^clusters ways are counted, by adding one cluster after the other. Where every cluster is
    one pair, this is McNemar's test.
    """
    steps = np.abs(sums[sums != 0]).astype(int)
    most = int(steps.sum())
    ways = np.zeros(2 * most + 1)
    ways[most] = 1
    for step in steps:
        ways = (np.roll(ways, step) + np.roll(ways, -step)) / 2  # never wraps: `most` bounds it
    reached = np.abs(np.arange(-most, most + 1)) >= abs(int(sums.sum()))
    return min(float(ways[reached].sum()), 1.0)


def holm(ps: Sequence[float], least: Sequence[float] | None = None) -> list[float]:
    """Each p as it counts among several comparisons: real only if still small.

    Holm (1979), step by step from the smallest. A comparison whose p cannot be so small, whatever
    its pairs had shown (`least`), does not count against one that is (Tarone 1990; Westfall &
    Wolfinger 1997): without differing pairs nothing can be found by chance.
    """
    least = least or [0.0] * len(ps)
    corrected = [0.0] * len(ps)
    worst = 0.0
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    for rank, i in enumerate(order):
        able = sum(least[j] <= ps[i] for j in order[rank:])
        worst = max(worst, min(able * ps[i], 1.0))
        corrected[i] = worst
    return corrected


def difference_bounds(clusters: Clusters, gained: Array, lost: Array) -> tuple[Array, Array]:
    """Low and high of differences by a studentised bootstrap, sums by cluster in every row.

    Tango's interval with an effective n and the bootstrap's quantiles, as `shares` does Wilson's.
    """
    change = gained - lost
    middle, differs = clusters.share(change), clusters.share(gained + lost)
    if clusters.count == 1:  # one cluster is one observation, however many pairs it has
        one = np.ones_like(middle)
        return tango(clusters.share(gained), clusters.share(lost), one, NORMAL, NORMAL)
    middles, gains, losses = map(clusters.shares, (change, gained, lost))
    # A cluster of the commonest of the three outcomes alone tells nothing of the other two.
    outcomes = np.stack([clusters.sizes - gained - lost, gained, lost])
    common = outcomes.sum(-1).argmax(0)
    telling, tellings = clusters.telling(outcomes[common, np.arange(len(common))] < clusters.sizes)
    design = clusters.design(clusters.variance(change), (differs - middle**2) / clusters.n, telling)
    designs = clusters.design(
        clusters.variances(change), (gains + losses - middles**2) / clusters.totals, tellings
    )
    spread = np.sqrt(_variance(gains, losses, middle[:, None]) * designs / clusters.totals)
    away = middles - middle[:, None]
    pivots = np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)
    below, above = clusters.quantiles(pivots, telling)
    size = clusters.n / design
    return tango(clusters.share(gained), clusters.share(lost), size, below, above)


def tango(
    gained: Array, lost: Array, n: Array, below: Array | float, above: Array | float
) -> tuple[Array, Array]:
    """Tango's score interval (1998) of `gained - lost`, both shares of n pairs.

    With a quantile for each side, and an n that need not be whole.
    """

    def edge(end: float, z: Array | float) -> Array:
        """Halves the way from the estimate to `end` until the score is z in size."""
        inner, outer = gained - lost, np.full_like(gained, end)
        for _ in range(50):
            half = (inner + outer) / 2
            variance = _variance(gained, lost, half) / n
            inside = (gained - lost - half) ** 2 <= z**2 * variance
            inner, outer = np.where(inside, half, inner), np.where(inside, outer, half)
        return inner

    return edge(-1, above), edge(1, below)


def _variance(gained: Array, lost: Array, middle: Array) -> Array:
    """Of one pair's change, where its mean is `middle`: by the likeliest shares that have it."""
    b = (2 - gained + lost) * middle - gained - lost
    c = -lost * middle * (1 - middle)
    likely = (np.sqrt(np.maximum(b**2 - 8 * c, 0)) - b) / 4
    return np.maximum(2 * likely + middle * (1 - middle), 0)


def _alone(sizes: Array, gained: Array, lost: Array) -> tuple[float, float]:
    """Every pair for itself."""
    n = sizes.sum(keepdims=True)
    low, high = tango(gained.sum(keepdims=True) / n, lost.sum(keepdims=True) / n, n, NORMAL, NORMAL)
    return float(low[0]), float(high[0])


def _clustered(sizes: Array, gained: Array, lost: Array) -> tuple[float, float]:
    """Drawn with the more frequent change first, so that changing arms turns the interval round."""
    if lost.sum() > gained.sum():
        low, high = _clustered(sizes, lost, gained)
        return -high, -low
    order = np.lexsort((lost, gained, sizes))
    low, high = difference_bounds(Clusters(sizes[order]), gained[order][None], lost[order][None])
    return float(low[0]), float(high[0])
