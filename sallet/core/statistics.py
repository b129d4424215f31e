"""Rates with 95 % intervals. Rows that share a noun or a prompt are not independent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

Rate: TypeAlias = tuple[float, float, float]  # rate, low, high at 95 %
Interval: TypeAlias = Literal["wilson", "clustered bootstrap"]
RESAMPLES = 2_000
Z = 1.959963984540054  # the normal quantile at 97.5 %


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
    """Wilson's score interval (Wilson 1927) of a share of `n` independent things."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def clustered(hits: Sequence[bool], clusters: Sequence[str], seed: int = 0) -> Rate:
    """The percentile bootstrap over whole clusters (Davison & Hinkley 1997, 3.8).

    Where every cluster says the same, or there is but one, each resample does, too, and the
    bootstrap would be certain of it: there the interval is Wilson's with the clusters as n.
    """
    groups: defaultdict[str, list[bool]] = defaultdict(list)
    for hit, cluster in zip(hits, clusters, strict=True):
        groups[cluster].append(hit)
    won = np.array([sum(group) for group in groups.values()])
    size = np.array([len(group) for group in groups.values()])
    drawn = np.random.default_rng(seed).integers(len(groups), size=(RESAMPLES, len(groups)))
    rates = won[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    share = sum(hits) / len(hits)
    low, high = (float(edge) for edge in np.quantile(rates, (0.025, 0.975)))
    if low == high:
        return wilson(share, len(groups))
    return share, min(low, share), max(high, share)


def complement(value: Rate | None) -> Rate | None:
    """The rate of the opposite."""
    return None if value is None else (1 - value[0], 1 - value[2], 1 - value[1])
