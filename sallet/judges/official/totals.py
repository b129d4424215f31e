"""What a benchmark's own scorer says of a whole cell, beside the verdicts of its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Judged:
    """What a scorer may look at: the answer, all that people said, and the row's own mark."""

    answer: str
    reference: tuple[str, ...]
    category: str = ""
    score: float | None = None
    against: float | None = None


@dataclass(frozen=True)
class Total:
    """One figure of a scorer.

    `marks`, one a row, where it is their mean; else `of`, which makes it of any rows. `highest` is
    the largest that it can be.
    """

    name: str
    of: Callable[[Sequence[Judged]], float | None]
    marks: tuple[float, ...] | None = None
    highest: float = 1.0


Scorer: TypeAlias = Callable[[Sequence[Judged]], Sequence[Total]]


def mean_of(name: str, marks: Sequence[float], highest: float = 1.0) -> Total:
    """A figure that is the mean of marks."""
    kept = tuple(marks)
    return Total(name, lambda _: sum(kept) / len(kept) if kept else None, kept, highest)


def ratio(above: float, below: float) -> float | None:
    """A share, or None of nothing."""
    return above / below if below else None


def values(totals: Sequence[Total], rows: Sequence[Judged]) -> Mapping[str, float]:
    """The figures that can be told of these rows."""
    found = {total.name: total.of(rows) for total in totals}
    return {name: value for name, value in found.items() if value is not None}
