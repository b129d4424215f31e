"""A change of low frequency (Guo et al. 2019): what purifiers leave in, since pictures have it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from sallet.attacks.pgd import PGD
from sallet.attacks.space import Space
from sallet.attacks.threat import Threat
from sallet.core.errors import RecipeError
from sallet.core.image import Image

BEYOND = 4
"""How many times eps a knot may be; its tangent is then eps to a thousandth."""


@dataclass(frozen=True)
class Smooth:
    """A point is a grid of knots; the change is the cubic B-spline over it, bent into `eps`.

    Knots may go beyond `eps` (a spline of knots that alternate is flat), and a hyperbolic tangent
    keeps the change within it, everywhere and also after rounding. `grid` knots lie along the
    longer side.
    """

    eps: float
    grid: int

    @property
    def ball(self) -> Threat:
        """What the whole change stays in."""
        return Threat("linf", self.eps)

    def origin(self, clean: Tensor) -> Tensor:
        """No change at all."""
        height, width = clean.shape[-2:]
        scale = self.grid / max(height, width)
        knots = [max(1, round(side * scale)) for side in (height, width)]
        return torch.zeros(3, *knots, device=clean.device)

    def start(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Random knots inside the ball."""
        knots = self.origin(clean)
        noise = torch.rand(knots.shape, generator=generator).to(clean.device)
        return (2 * noise - 1) * self.ball.radius

    def change(self, clean: Tensor, point: Tensor) -> Tensor:
        """The knots as a change of every pixel."""
        down, across = (
            _spline(side, knots).to(point)
            for side, knots in zip(clean.shape[-2:], point.shape[-2:], strict=True)
        )
        return self.ball.radius * (down @ point @ across.T / self.ball.radius).tanh()

    def show(self, clean: Tensor, point: Tensor, generator: torch.Generator) -> Tensor:
        """The changed image, differentiable to the knots; held in [0,1], as its file is."""
        return (clean + self.change(clean, point)).clamp(0, 1)

    def direction(self, gradient: Tensor) -> Tensor:
        """The steepest descent direction, knot by knot."""
        return -gradient.sign()

    def project(self, point: Tensor, clean: Tensor) -> Tensor:
        """Knots within `BEYOND` times the ball."""
        return point.clamp(-BEYOND * self.ball.radius, BEYOND * self.ball.radius)

    def file(self, clean: Tensor, point: Tensor) -> Image:
        """The 8-bit image that would be uploaded."""
        return self.ball.file(clean, self.change(clean, point))


@dataclass(frozen=True, kw_only=True)
class LowFrequency(PGD):
    """PGD on a coarse grid, upsampled smoothly; through a purifier, what it cannot blur away.

    `grid` knots along the longer side: fewer are smoother, and weaker against a bare model.
    """

    name: ClassVar[str] = "low-frequency"
    grid: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm != "linf":
            raise RecipeError(f"{self.name} is bounded in linf only; norm is {self.norm!r}")
        if self.grid < 1:
            raise RecipeError(f"grid must be at least 1 knot; it is {self.grid}")

    @property
    def space(self) -> Space:
        """The knots."""
        return Smooth(self.eps, self.grid)


@lru_cache(64)
def _spline(side: int, knots: int) -> Tensor:
    """`[side, knots]`: the weights of the cubic B-spline, the outermost knots repeated outwards."""
    at = (torch.arange(side, dtype=torch.float64) + 0.5) * knots / side - 0.5
    first = at.floor()
    t = at - first
    weights = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    matrix = torch.zeros(side, knots, dtype=torch.float64)
    for offset, weight in enumerate(weights, start=-1):
        knot = (first.long() + offset).clamp(0, knots - 1)
        matrix.scatter_add_(1, knot[:, None], weight[:, None])
    return matrix.float()
