"""What every gradient attack on images has: its settings and its beginning; an attack fills in
its formulas, and `places.Run` walks its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from sallet.attacks.places import Run
from sallet.attacks.space import Space
from sallet.attacks.threat import Threat, floats
from sallet.attacks.trial import Point, Trial
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.guarded import randomised
from sallet.core.protocols import (
    Hostile,
    Judge,
    Model,
    Progress,
    WhiteBox,
    silent,
)
from sallet.core.query import Query
from sallet.core.seeds import derive


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Iterated descent of `model.loss` in a `Space`.

    `eot`: defence seeds averaged at each step where the defence is random (each step draws new
    ones); doubled for a sample, up to `eot_most`, while two halves of them disagree. `step` is
    the first step in 8-bit units (None: the attack's own). Every `check_every` steps, and whenever
    its likeliest words have become what is wanted, the model is asked, with `confirm` fresh
    defence seeds where the defence is random. A sample that falls for all of them is left alone,
    unless `stop_early` is off: then it goes on to a lower loss. `batch` samples are attacked side
    by side; half as many where memory runs out.
    """

    name: ClassVar[str] = "descent"
    eps: float = 8.0
    norm: str = "linf"
    steps: int = 100
    step: float | None = None
    random_start: bool = True
    diversity: float = 0.0
    eot: int = 2
    eot_most: int = 8
    check_every: int = 10
    confirm: int = 3
    stop_early: bool = True
    batch: int = 32

    def __post_init__(self) -> None:
        for key in ("steps", "eot", "check_every", "confirm", "batch"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        if self.step is not None and not self.step > 0:
            raise RecipeError(f"step must be above 0; it is {self.step}")
        if self.eot_most < self.eot:
            raise RecipeError(f"eot_most must be at least eot ({self.eot}); it is {self.eot_most}")
        if not 0 <= self.diversity <= 1:
            raise RecipeError(f"diversity must be in [0, 1]; it is {self.diversity}")
        _ = self.space

    @property
    def space(self) -> Space:
        """Where the search is; here the ball of `eps`."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

    def move(self, trial: Trial, gradients: Point) -> Point:
        """The formula: where to go from the point that was looked at."""
        raise NotImplementedError

    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> list[Hostile]:
        """One hostile query for each query, in order."""
        if not isinstance(model, WhiteBox):
            raise NoGradient(
                f"{self.name} needs a gradient, and {model.name!r} gives none; use a query attack "
                "(square, nes) or a typographic one, or transfer from a local model"
            )
        random = randomised(model)
        trials = [self._begin(q, g, seed, random) for q, g in zip(queries, goals, strict=True)]
        return Run(self, model, trials, judge, random, progress).run()

    def _begin(self, query: Query, goal: Goal, seed: int, random: bool) -> Trial:
        own = derive(seed, "attack", query.digest, goal.text)
        generator = torch.Generator().manual_seed(own)
        clean = [floats(image) for image in query.images]
        if not clean:
            raise RecipeError(f"{self.name} changes images, and this query has none")
        space = self.space
        point = [space.start(c, generator) if self.random_start else space.origin(c) for c in clean]
        still = [torch.zeros_like(part) for part in point]
        return Trial(query, goal, own, clean, point, still, eot=self.eot if random else 1)
