"""Adversarial patch (Brown et al. 2017): a small square of any pixels, somewhere in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sallet.attacks.pgd import PGD
from sallet.attacks.placing import Placing
from sallet.attacks.space import Space
from sallet.attacks.trial import Trial
from sallet.core.errors import RecipeError
from sallet.core.goal import Goal
from sallet.core.image import Image, to_float, to_pixels
from sallet.core.query import Query
from sallet.core.seeds import derive


@dataclass(frozen=True)
class Patched:
    """A point is the pixels of a patch. Nothing outside the patch is changed.

    Where the place or the angle is random, every look draws others (EOT), and the file has those
    that follow from the picture alone: nobody chose them for the patch.
    """

    placing: Placing

    def origin(self, clean: Tensor) -> Tensor:
        """A grey patch."""
        side = self.placing.side(*clean.shape[-2:])
        return torch.full((3, side, side), 128 / 255, device=clean.device)

    def start(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Random pixels."""
        side = self.placing.side(*clean.shape[-2:])
        return torch.rand((3, side, side), generator=generator).to(clean.device)

    def show(self, clean: Tensor, point: Tensor, generator: torch.Generator) -> Tensor:
        """The picture with the patch on it, where and as the generator says."""
        return self.placing.put(clean, point, generator)

    def direction(self, gradient: Tensor) -> Tensor:
        """The steepest descent direction, pixel by pixel."""
        return -gradient.sign()

    def project(self, point: Tensor, clean: Tensor) -> Tensor:
        """Pixels are in [0,1]."""
        return point.clamp(0, 1)

    def file(self, clean: Tensor, point: Tensor) -> Image:
        """The 8-bit image that would be uploaded."""
        patch = to_float(to_pixels(point)).to(clean.device)
        own = derive(0, "placing", Image(to_pixels(clean)).digest)
        generator = torch.Generator().manual_seed(own)
        return Image(to_pixels(self.placing.put(clean, patch, generator)))


@dataclass(frozen=True, kw_only=True)
class Patch(PGD):
    """PGD on the pixels of a patch of its own for each picture; `universal` makes one for all.

    `eps` is 255: a patch is bounded by its `side` (a share of the picture's shorter side, or
    pixels), not by its colours. `location` and `rotation` as in `Placing`; where one of them is
    random, every step averages over as many of them as over defence seeds (`eot`, `eot_most`).
    """

    name: ClassVar[str] = "patch"
    eps: float = 255.0
    step: float | None = 16.0
    side: float = 0.25
    location: str = "bottom-right"
    rotation: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm != "linf" or self.eps != 255:
            raise RecipeError(
                f"a patch is bounded by its side, so eps is 255 and norm linf; got {self.eps:g} "
                f"and {self.norm}"
            )

    @property
    def placing(self) -> Placing:
        """Where it lies."""
        return Placing(self.side, self.location, self.rotation)

    @property
    def space(self) -> Space:
        """The patch's pixels."""
        return Patched(self.placing)

    def _begin(self, query: Query, goal: Goal, seed: int, random: bool) -> Trial:
        return super()._begin(query, goal, seed, random or self.placing.random)
