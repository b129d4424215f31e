"""How well a judge agrees with people: accuracy, precision, recall, F1 and Cohen's kappa.

All are of *success* (the answer gives what was asked for), over rows that both the label and the
judge decide. Intervals resample whole clusters, or rows where no two share one (10,000 draws); a
share also has Wilson's where rows are independent. What the judge could not tell is counted apart:
a judge that is right whenever it speaks and silent half of the time is told from one that is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sallet.core.statistics import Rate, rate

DRAWS = 10_000
Counts = NDArray[
    np.float64
]  # [..., 4]: both say success, the judge alone, the label alone, neither


@dataclass(frozen=True)
class Labelled:
    """One answer: what people say, what a judge says (None: nobody can tell), and its cluster."""

    label: bool | None
    said: bool | None
    cluster: str


@dataclass(frozen=True)
class Agreement:
    """The figures; None where nothing can be said (a precision of no success)."""

    judge: str
    n: int
    unlabelled: int
    unassessed: int
    table: tuple[int, int, int, int]
    accuracy: Rate | None
    precision: Rate | None
    recall: Rate | None
    f1: Rate | None
    kappa: Rate | None


def agreement(judge: str, rows: Sequence[Labelled], seed: int = 0) -> Agreement:
    """Of one judge over labelled answers."""
    known = [row for row in rows if row.label is not None]
    kept = [row for row in known if row.said is not None]
    pairs = [(bool(row.said), bool(row.label)) for row in kept]
    clusters = [row.cluster for row in kept]
    counts = np.array([[s and t, s and not t, t and not s, not s and not t] for s, t in pairs])
    counts = counts.reshape(-1, 4).astype(float)
    table = counts.sum(0)
    drawn = _drawn(counts, clusters, seed) if kept else np.zeros((0, 4))

    def share(among: list[bool], hits: list[bool]) -> Rate | None:
        chosen = [i for i, inside in enumerate(among) if inside]
        return rate([hits[i] for i in chosen], [clusters[i] for i in chosen])

    said, true = [s for s, _ in pairs], [t for _, t in pairs]
    return Agreement(
        judge=judge,
        n=len(kept),
        unlabelled=len(rows) - len(known),
        unassessed=len(known) - len(kept),
        table=tuple(int(count) for count in table),  # pyright: ignore[reportArgumentType]
        accuracy=rate([s == t for s, t in pairs], clusters),
        precision=share(said, true),
        recall=share(true, said),
        f1=_interval(f1(table[None]), f1(drawn)),
        kappa=_interval(kappa(table[None]), kappa(drawn)),
    )


def f1(counts: Counts) -> Counts:
    """2 TP / (2 TP + FP + FN)."""
    both, judge, label, _ = np.moveaxis(counts, -1, 0)
    below = 2 * both + judge + label
    return np.divide(2 * both, below, out=np.full_like(below, np.nan), where=below > 0)


def kappa(counts: Counts) -> Counts:
    """(observed - expected) / (1 - expected) agreement (Cohen 1960); nothing where all are one."""
    both, judge, label, neither = np.moveaxis(counts, -1, 0)
    n = both + judge + label + neither
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = (both + neither) / n
        expected = ((both + judge) * (both + label) + (neither + judge) * (neither + label)) / n**2
        return np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)


def _drawn(counts: Counts, clusters: Sequence[str], seed: int) -> Counts:
    names = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    where = np.array([names[name] for name in clusters])
    sums = np.zeros((len(names), 4))
    np.add.at(sums, where, counts)
    even = np.full(len(names), 1 / len(names))
    return np.random.default_rng(seed).multinomial(len(names), even, size=DRAWS) @ sums


def _interval(value: Counts, drawn: Counts) -> Rate | None:
    if not np.isfinite(value[0]):
        return None
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return float(value[0]), -1.0, 1.0
    low, high = np.quantile(finite, (0.025, 0.975))
    return float(value[0]), min(float(value[0]), float(low)), max(float(value[0]), float(high))
