"""A gradient guessed from queries (NES: Wierstra et al. 2014; Ilyas et al. 2018, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sallet.attacks.momentum import gathered
from sallet.attacks.queries import QueryAttack
from sallet.attacks.searching import Search, Steps
from sallet.attacks.trial import Point
from sallet.core.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class NES(QueryAttack):
    """Descent along a gradient that is estimated from `pairs` of opposite random looks a step.

    Directions are smooth: Gaussian on a grid of `grid` tiles a side (Ilyas et al. 2019: what is
    next to each other has like gradients), so that few queries go a long way. A look is `sigma`
    8-bit steps away (None: a quarter of eps; where only answers are seen half of it, for what they
    give is the slope of how often they change around here: Ilyas et al. 2018, section 4.2), and
    inside the ball like every other, so that it may itself be the hit. `momentum` is PGD's; the
    `step` (None: eps/2) falls linearly to a tenth.
    """

    name: ClassVar[str] = "nes"
    pairs: int = 5
    grid: int = 24
    sigma: float | None = None
    step: float | None = None
    momentum: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("pairs", "grid"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        for key in ("sigma", "step"):
            value = getattr(self, key)
            if value is not None and not 0 < value < math.inf:
                raise RecipeError(f"{key} must be above 0, in 8-bit units; it is {value}")
        if not 0 <= self.momentum < 1:
            raise RecipeError(f"momentum must be in [0, 1); it is {self.momentum}")

    @property
    def first_step(self) -> float:
        """In 8-bit units."""
        return self.eps / 2 if self.step is None else self.step

    def search(self, search: Search) -> Steps:
        space, clean = self.space, search.trial.clean
        point = [space.start(c, search.generator) for c in clean]
        velocity = [torch.zeros_like(c) for c in clean]
        yield [point]
        while True:
            directions = [self._directions(clean, search) for _ in range(self.pairs)]
            around = [
                [space.project(p + sign * d, c) for p, d, c in zip(point, one, clean, strict=True)]
                for one in directions
                for sign in (1, -1)
            ]
            losses = yield around
            slopes = [losses[2 * i] - losses[2 * i + 1] for i in range(self.pairs)]
            size = self._size(search)
            moved: Point = []
            for i, here in enumerate(point):
                gradient = torch.zeros_like(here)
                for slope, one in zip(slopes, directions, strict=True):
                    if math.isfinite(slope):
                        gradient += slope * one[i]
                ahead = space.direction(gathered(velocity[i], gradient, self.momentum))
                moved.append(space.project(here + size * ahead, clean[i]))
            point = moved
            yield [point]

    def _size(self, search: Search) -> float:
        first = self.first_step / 255
        return first * (1 - 0.9 * search.spent / self.queries)

    def _directions(self, clean: Point, search: Search) -> Point:
        """One random direction for each image, `sigma` long a channel (linf) or in all (l2)."""
        sigma = self.sigma
        if sigma is None:
            sigma = self.eps / (4 if search.scored else 2)
        found = [self._smooth(c, search.generator) for c in clean]
        if self.norm == "l2":
            return [sigma / 255 * d / d.norm().clamp_min(1e-12) for d in found]
        return [sigma / 255 * d for d in found]

    def _smooth(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        channels, height, width = clean.shape
        tiles = (channels, min(self.grid, height), min(self.grid, width))
        coarse = torch.randn(tiles, generator=generator)
        return interpolate(coarse[None], size=(height, width), mode="nearest")[0]
