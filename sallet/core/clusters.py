"""Clusters, and what resampling them says: how much less n rows say than n independent ones.

A bootstrap over clusters alone is too sure of itself where few clusters speak: its variance comes
from those few, and where all of them agree there is none. Both are met here by asking how many
clusters *tell* anything (hold a hit and not only hits; hold a pair that differs): the fewer they
are, the more counts what would be expected without them. Every step is smooth, so that one row
more moves an interval a little and never makes it jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

RESAMPLES = 2_000
TAIL = 0.025
NORMAL = 1.959963984540054  # the normal quantile at 97.5 %
EXPECTED = 0.4
"""The correlation within a cluster that is expected before any cluster has told anything."""
WEIGHT = 4
"""How many telling clusters that expectation counts for."""
TRUST = 6
"""With so many telling clusters, the bootstrap's quantiles count as much as Student's."""


class Clusters:
    """Clusters of these sizes and the resamples drawn of them.

    Values are arrays `[..., clusters]`: a sum for each cluster, of as many data sets at once as
    there are rows. What is resampled is `[..., resamples]`.
    """

    def __init__(self, sizes: Array, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.sizes, self.count, self.n = sizes, len(sizes), float(sizes.sum())
        self.drawn = _drawn(self.count, resamples, seed)
        self.totals = sizes @ self.drawn
        mean = float((sizes**2).sum() / self.n)  # size of the cluster that a row is in
        self.effective = self.n / mean  # equal clusters that would weigh as these do
        self.expected = 1 + (mean - 1) * EXPECTED

    def share(self, values: Array) -> Array:
        """The values of a row, on average."""
        return values.sum(-1) / self.n

    def shares(self, values: Array) -> Array:
        """The same of every resample."""
        return (values @ self.drawn) / self.totals

    def variance(self, values: Array) -> Array:
        """The jackknife variance of `share`, each cluster left out in turn."""
        off = values - self.share(values)[..., None] * self.sizes
        pulls = off / (1 - self.sizes / self.n)
        return self._small * (pulls**2).sum(-1) / self.n**2

    def variances(self, values: Array) -> Array:
        """The same of every resample."""
        left = 1 - self.sizes[:, None] / self.totals
        # What was not drawn may be as large as all that was; it weighs nothing.
        weights = np.divide(
            self.drawn, left**2, out=np.zeros_like(self.drawn), where=self.drawn > 0
        )
        share = self.shares(values)
        squares = (values**2) @ weights - 2 * share * ((values * self.sizes) @ weights)
        squares += share**2 * ((self.sizes**2) @ weights)
        return self._small * np.maximum(squares, 0) / self.totals**2

    def telling(self, speak: NDArray[np.bool_]) -> tuple[Array, Array]:
        """How many clusters tell something, in effective ones: here, and in every resample."""
        scale = self.effective / self.count
        return speak.sum(-1) * scale, (speak.astype(float) @ self.drawn) * scale

    def design(self, variance: Array, independent: Array, telling: Array) -> Array:
        """Kish's design effect: the variance over that of as many independent rows.

        It is at least 1, and the fewer clusters tell, the nearer to the expected one.
        """
        known = np.divide(variance, independent, out=np.ones_like(variance), where=independent > 0)
        known = np.maximum(known, 1)
        prior = np.log(np.maximum(known, self.expected))
        return np.exp((telling * np.log(known) + WEIGHT * prior) / (telling + WEIGHT))

    def quantiles(self, pivots: Array, telling: Array) -> tuple[Array, Array]:
        """How many standard errors an estimate may lie below and above the truth.

        `pivots` are the resamples' own, studentised. Student's t has a degree of freedom for each
        effective cluster but one, and for each that the expected correlation counts for.
        """
        from scipy.special import stdtrit  # scipy.stats' own, without its half second of loading

        low, high = np.quantile(pivots, (TAIL, 1 - TAIL), axis=-1)
        student = float(stdtrit(self.effective - 1 + WEIGHT, 1 - TAIL))
        trust = telling / (telling + TRUST)

        def mixed(quantile: Array) -> Array:
            return trust * np.maximum(quantile, 0) + (1 - trust) * student

        return mixed(-low), mixed(high)

    @property
    def _small(self) -> float:
        return (self.count - 1) / self.count


def grouped(clusters: Sequence[str], *values: Array) -> tuple[Array, ...]:
    """The clusters' sizes, and each value summed by cluster."""
    names, where = np.unique(np.asarray(clusters), return_inverse=True)
    whole = (np.ones(len(where)), *values)
    return tuple(
        np.bincount(where, weights=value, minlength=len(names)).astype(float) for value in whole
    )


@lru_cache(maxsize=8)
def _drawn(count: int, resamples: int, seed: int) -> Array:
    """How often each cluster is in each resample, `[clusters, resamples]`."""
    rng = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    return rng.multinomial(count, even, size=resamples).T.astype(float)
