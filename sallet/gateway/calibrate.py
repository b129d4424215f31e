"""Thresholds for detectors from one's own harmless pictures: at most so many of them are alarmed.

A defence's margins are read where it decides, so every defence with a `threshold` or a `gate` can
be calibrated and none has to know of it. The threshold is an order statistic of the scores: for
pictures like these, the expected share of false alarms is at most what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from sallet.core.errors import UsageError
from sallet.core.offline import Offline
from sallet.core.protocols import Defense
from sallet.core.query import Answer, Failure, Query

PARAMS: Final = ("threshold", "gate")


@dataclass(frozen=True)
class Calibrated:
    """A parameter, what it was and what it should be, and what both alarm of the pictures."""

    name: str
    param: str
    before: float
    after: float
    alarmed_before: int
    alarmed_after: int
    n: int


class _NoModel:
    name = "no model"

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        raise UsageError("a defence that asks a model cannot be calibrated on pictures alone")


class _Watched(Offline):
    """Takes the natural branch, and remembers the largest margin of each query."""

    def __init__(self) -> None:
        super().__init__(_NoModel())
        self.margins: dict[int, float] = {}

    def decide(self, root: int, margin: Tensor | float) -> bool:
        value = float(margin.detach()) if isinstance(margin, Tensor) else float(margin)
        self.margins[root] = max(value, self.margins.get(root, -math.inf))
        return super().decide(root, margin)


def param_of(defense: Defense) -> str | None:
    """The parameter of a defence that an alarm hangs on, if it has one that is set."""
    return next((name for name in PARAMS if getattr(defense, name, None) is not None), None)


def calibrated(defense: Defense, queries: Sequence[Query], share: float) -> Calibrated:
    """The threshold that alarms at most `share` of queries like these."""
    param = param_of(defense)
    if param is None:
        raise UsageError(f"the defence {defense.name!r} has no threshold to set")
    if not 0 < share < 1:
        raise UsageError(f"the share of false alarms is between 0 and 1; it is {share}")
    rank = math.ceil((len(queries) + 1) * (1 - share))
    if rank > len(queries):
        least = math.ceil(1 / share) - 1
        raise UsageError(f"{len(queries)} pictures are too few for {share:g}: give {least} or more")
    watched = _Watched()
    for end in watched.ends(defense, queries):
        if isinstance(end, Failure):
            raise end.error
    before = float(getattr(defense, param))
    scores = sorted(before + watched.margins.get(i, -math.inf) for i in range(len(queries)))
    after = scores[rank - 1]
    if not math.isfinite(after):
        raise UsageError(f"the defence {defense.name!r} decided nothing about these pictures")
    alarms = [sum(score > limit for score in scores) for limit in (before, after)]
    return Calibrated(defense.name, param, before, after, alarms[0], alarms[1], len(scores))
