"""Auto-PGD: a step size that follows the budget (Croce & Hein 2020, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sallet.attacks.descent import Descent
from sallet.attacks.trial import Point, Trial

INERTIA = 0.75
"""Share of the new step in the next point; the rest is where the last step was going."""
IMPROVING = 0.75
"""Share of steps between two checkpoints that must have lowered the loss."""


@dataclass
class _Pace:
    """A sample's step size, and what its next checkpoint is to be held against."""

    size: float
    before: Point
    best_gradients: Point
    checkpoint: int
    gap: float
    lowered: int = 0
    since: int = 0
    last: float = float("inf")
    best_then: float = float("inf")
    halved: bool = False


@dataclass(frozen=True, kw_only=True)
class APGD(Descent):
    """PGD without a step size to choose: it begins with 2 eps and is halved at checkpoints.

    At a checkpoint where too few steps lowered the loss, or where neither the step nor the best
    loss has changed since the last one, it goes on from the best point with half the step.
    """

    name: ClassVar[str] = "apgd"

    @property
    def first_step(self) -> float:
        """In 8-bit units."""
        return 2 * self.eps if self.step is None else self.step

    def move(self, trial: Trial, gradients: Point) -> Point:
        pace = trial.memory
        if pace is None:
            first = self.first_step / 255
            gap = 0.22 * self.steps
            pace = trial.memory = _Pace(first, trial.seen, gradients, max(1, round(gap)), gap)
        pace.lowered += trial.loss < pace.last
        pace.since += 1
        pace.last = trial.loss
        if trial.lowest_point is trial.seen:
            pace.best_gradients = gradients
        here, before = trial.seen, pace.before
        if trial.steps >= pace.checkpoint and self._checkpoint(trial, pace):
            here = before = trial.lowest_point
            gradients = pace.best_gradients
        pairs = zip(here, before, gradients, trial.clean, strict=True)
        moved = [self._step(pace, *parts, first=trial.steps == 0) for parts in pairs]
        pace.before = here
        return moved

    def _step(
        self, pace: _Pace, here: Tensor, before: Tensor, gradient: Tensor, clean: Tensor,
        *, first: bool,
    ) -> Tensor:  # fmt: skip
        space = self.space
        ahead = space.project(here + pace.size * space.direction(gradient), clean)
        if first:
            return ahead
        return here + INERTIA * (ahead - here) + (1 - INERTIA) * (here - before)

    def _checkpoint(self, trial: Trial, pace: _Pace) -> bool:
        """Whether the step was halved, so that the search goes on from the best point."""
        slow = pace.lowered < IMPROVING * pace.since
        stuck = not pace.halved and pace.best_then <= trial.lowest
        pace.halved = slow or stuck
        pace.best_then, pace.lowered, pace.since = trial.lowest, 0, 0
        pace.gap = max(pace.gap - 0.03 * self.steps, 0.06 * self.steps)
        pace.checkpoint = trial.steps + max(1, round(pace.gap))
        if pace.halved:
            pace.size /= 2
        return pace.halved
