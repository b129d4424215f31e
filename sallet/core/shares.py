"""The interval of a share whose rows cluster: a score interval by a studentised bootstrap.

Wilson's interval asks which true shares lie within 1.96 standard errors of the one seen. So does
this one, with two changes: n is the *effective* n (n over the design effect), and 1.96 gives way to
what the resampled clusters show, studentised (Efron & Tibshirani 1993, 12.5; Davison & Hinkley
1997, 3.8 for whole clusters) on the arcsine scale, where a share's spread hardly depends on it.
`docs/statistics.md` has its coverage.
"""

from __future__ import annotations

import numpy as np

from sallet.core.clusters import NORMAL, Array, Clusters


def share_bounds(clusters: Clusters, hits: Array) -> tuple[Array, Array]:
    """Low and high of `hits` summed by cluster, `[data sets, clusters]`."""
    share = clusters.share(hits)
    if clusters.count == 1:  # one cluster is one observation, however many rows it has
        return score(share, np.ones_like(share), NORMAL, NORMAL)
    shares = clusters.shares(hits)
    # A cluster of the common outcome alone tells nothing of the rare one.
    common = np.where(share[:, None] <= 0.5, 0, clusters.sizes)
    telling, tellings = clusters.telling(hits != common)
    size = clusters.n / clusters.design(
        clusters.variance(hits), share * (1 - share) / clusters.n, telling
    )
    sizes = clusters.totals / clusters.design(
        clusters.variances(hits), shares * (1 - shares) / clusters.totals, tellings
    )
    away = _even(shares, sizes) - _even(share, size)[:, None]
    below, above = clusters.quantiles(2 * np.sqrt(sizes + 0.5) * away, telling)
    return score(share, size, below, above)


def score(
    share: Array, n: Array, below: Array | float, above: Array | float
) -> tuple[Array, Array]:
    """The shares from which this one is `above` standard errors up, and `below` down.

    Wilson (1927), with a quantile for each side and an n that need not be whole.
    """

    def edge(z: Array | float, sign: int) -> Array:
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        return (share + z**2 / (2 * n) + sign * half) / (1 + z**2 / n)

    return np.maximum(edge(above, -1), 0), np.minimum(edge(below, 1), 1)


def _even(share: Array, n: Array) -> Array:
    """Anscombe's arcsine (1948): as it spreads alike wherever the share is."""
    return np.arcsin(np.sqrt((share * n + 0.375) / (n + 0.75)))
