"""`Threat`: how far a hostile image may be from the clean one, in 8-bit units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from sallet.core.errors import RecipeError
from sallet.core.image import Image, to_float

Norm: TypeAlias = Literal["linf", "l2"]


@dataclass(frozen=True)
class Threat:
    """A ball around an image: `eps` bounds every channel (linf) or the whole change (l2).

    What `file` gives is inside the ball *after* rounding to 8 bits, not only before it.
    """

    norm: Norm = "linf"
    eps: float = 8.0

    def __post_init__(self) -> None:
        if self.norm not in ("linf", "l2"):
            raise RecipeError(f"norm must be linf or l2, not {self.norm!r}")
        most = 255.0 if self.norm == "linf" else math.inf
        if not (1 <= self.eps <= most and math.isfinite(self.eps)):
            share = f"; for {self.eps:g} of the whole range write {self.eps * 255:.3g}"
            raise RecipeError(
                f"eps must be from 1 to {most:g} for {self.norm}, in 8-bit units (8 means 8/255): "
                f"a file holds no smaller change; it is {self.eps:g}"
                + (share if 0 < self.eps < 1 else "")
            )

    @property
    def radius(self) -> float:
        """The radius in [0,1] pixel units."""
        return self.eps / 255

    def origin(self, clean: Tensor) -> Tensor:
        """No change at all."""
        return torch.zeros_like(clean)

    def show(self, clean: Tensor, change: Tensor, generator: torch.Generator) -> Tensor:
        """The changed image, differentiable to the change."""
        return clean + change

    def start(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """A random change inside the ball (linf: uniform in it; l2: uniform on its surface)."""
        noise = torch.rand(clean.shape, generator=generator).to(clean.device) * 2 - 1
        if self.norm == "l2":
            noise = torch.randn(clean.shape, generator=generator).to(clean.device)
            noise = noise / noise.norm().clamp_min(1e-12)
        return self.project(noise * self.radius, clean)

    def project(self, change: Tensor, clean: Tensor) -> Tensor:
        """A change inside the ball that leaves the image inside [0,1]: the nearest one in linf."""
        if self.norm == "linf":
            change = change.clamp(-self.radius, self.radius)
        else:
            change = change * (self.radius / change.norm().clamp_min(1e-12)).clamp_max(1)
        return change.add_(clean).clamp_(0, 1).sub_(clean)

    def direction(self, gradient: Tensor) -> Tensor:
        """The steepest descent direction of unit size in this norm."""
        if self.norm == "linf":
            return gradient.sign().neg_()
        return -gradient / gradient.norm().clamp_min(1e-12)

    def file(self, clean: Tensor, change: Tensor) -> Image:
        """The 8-bit image that would be uploaded."""
        change = self.project(change.detach().float(), clean)
        if self.norm == "linf":
            steps = (change * 255).round().clamp(-math.floor(self.eps), math.floor(self.eps))
        else:
            steps = _whole(change * 255, self.eps)
        pixels = ((clean * 255).round() + steps).clamp(0, 255)
        return Image(pixels.to("cpu", torch.uint8).permute(1, 2, 0).contiguous().numpy())


def _whole(steps: Tensor, eps: float) -> Tensor:
    """Whole steps of size `eps` at most: cut towards zero, then the largest remainders put back.

    Rounding each value alone would lose a small change spread over many pixels entirely.
    """
    cut = steps.trunc()
    rest, cost = (steps - cut).abs().flatten(), (2 * cut.abs() + 1).flatten()
    order = rest.argsort(descending=True)
    spent = cost[order].double().cumsum(0) + cut.double().square().sum()
    up = torch.zeros_like(rest)
    up[order] = ((spent <= eps**2) & (rest[order] > 0)).to(rest.dtype)
    return cut + steps.sign() * up.view_as(steps)


def floats(image: Image) -> Tensor:
    """The clean image as a file would hold it: 8-bit values in [0,1]."""
    return to_float(image.pixels())
