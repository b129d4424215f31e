"""Rates with 95 % intervals. Rows that share a noun or a prompt are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from sallet.core.clusters import NORMAL, Array, Clusters, grouped
from sallet.core.shares import score, share_bounds

Rate: TypeAlias = tuple[float, float, float]  # rate, low, high at 95 %
Interval: TypeAlias = Literal["wilson", "clustered bootstrap"]


def interval_for(clusters: Sequence[str]) -> Interval:
    """Clustered as soon as two rows share a cluster."""
    return "clustered bootstrap" if len({*clusters}) < len(clusters) else "wilson"


def rate(hits: Sequence[bool], clusters: Sequence[str]) -> Rate | None:
    """The share of hits with its interval, by the clusters; None of nothing."""
    if not hits:
        return None
    if interval_for(clusters) == "wilson":
        return wilson(sum(hits) / len(hits), len(hits))
    return clustered(hits, clusters)


def wilson(share: float, n: int) -> Rate:
    """Wilson's score interval (Wilson 1927) of a share of `n` independent things.

    The share may be of halves of things (an average of rates), which scipy's has no room for.
    """
    low, high = score(np.array([share]), np.array([float(n)]), NORMAL, NORMAL)
    return share, min(share, float(low[0])), max(share, float(high[0]))


def clustered(hits: Sequence[bool], clusters: Sequence[str], seed: int = 0) -> Rate:
    """The studentised bootstrap over whole clusters; `shares` says how.

    The interval holds the share, is the same for the same rows in any order, and turns round with
    them when hits and misses change places.
    """
    return of_sums(*grouped(clusters, np.asarray(hits, float)), seed=seed)


def of_sums(sizes: Array, won: Array, seed: int = 0) -> Rate:
    """The same of each cluster's rows and hits, counted; they need not be whole numbers."""
    share = float(won.sum() / sizes.sum())
    # Drawn on the side of the rarer outcome, so that both sides give the same interval.
    rarer = won if share <= 0.5 else sizes - won
    order = np.lexsort((rarer, sizes))
    low, high = share_bounds(Clusters(sizes[order], seed=seed), rarer[order][None])
    edges = (float(low[0]), float(high[0]))
    low_edge, high_edge = edges if share <= 0.5 else (1 - edges[1], 1 - edges[0])
    return share, min(share, low_edge), max(share, high_edge)


def complement(value: Rate | None) -> Rate | None:
    """The rate of the opposite."""
    return None if value is None else (1 - value[0], 1 - value[2], 1 - value[1])
