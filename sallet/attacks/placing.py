"""`Placing`: where in a picture a patch lies, how large it is, and how far it is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sallet.core.errors import RecipeError

CORNERS = {
    "top-left": (0.0, 0.0),
    "top-right": (0.0, 1.0),
    "bottom-left": (1.0, 0.0),
    "bottom-right": (1.0, 1.0),
    "centre": (0.5, 0.5),
}
"""Shares of the free height and width that are above and left of the patch."""
RANDOM = "random"


@dataclass(frozen=True)
class Placing:
    """A square patch in a picture.

    `size` up to 1 is a share of the picture's shorter side, from 2 up it is pixels. `location` is a
    corner, `centre`, `random`, or `down,right` in shares of the free room (`0.2,0.8`). `rotation`
    is the most degrees that it is turned, either way, at random.
    """

    size: float = 0.25
    location: str = "bottom-right"
    rotation: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.size <= 1 or (self.size >= 2 and self.size == int(self.size))):
            raise RecipeError(
                "side must be a share of the picture's shorter side (0.25), or whole pixels from 2 "
                f"up; it is {self.size:g}"
            )
        if not 0 <= self.rotation <= 180:
            raise RecipeError(f"rotation must be from 0 to 180 degrees; it is {self.rotation:g}")
        _ = self.random

    @property
    def random(self) -> bool:
        """Whether two looks at the same patch may differ."""
        return self._fixed is None or self.rotation > 0

    def side(self, height: int, width: int) -> int:
        """The patch's side in a picture of this size, which must have room for it at any angle."""
        short = min(height, width)
        side = max(2, round(self.size * short)) if self.size <= 1 else int(self.size)
        self._check(side, height, width)
        return side

    def put(self, clean: Tensor, patch: Tensor, generator: torch.Generator) -> Tensor:
        """The picture with the patch on it, differentiable to the patch."""
        side, (height, width) = patch.shape[-1], clean.shape[-2:]
        self._check(side, height, width)
        down, right, turn = torch.rand(3, generator=generator).tolist()
        if self._fixed is not None:
            down, right = self._fixed
        cover = torch.ones_like(patch[:1])
        if self.rotation:
            angle = math.radians(self.rotation) * (2 * turn - 1)
            patch, cover = _turned(torch.cat([patch, cover]), angle).split([3, 1])
        box = patch.shape[-1]
        top, left = round(down * (height - box)), round(right * (width - box))
        frame = (left, width - box - left, top, height - box - top)
        return clean * (1 - functional.pad(cover, frame)) + functional.pad(patch, frame)

    @property
    def _fixed(self) -> tuple[float, float] | None:
        if self.location == RANDOM:
            return None
        if self.location in CORNERS:
            return CORNERS[self.location]
        try:
            down, right = map(float, self.location.split(","))
        except ValueError:
            down = right = math.nan
        if not (0 <= down <= 1 and 0 <= right <= 1):
            raise RecipeError(
                f"location must be {', '.join(CORNERS)}, {RANDOM}, or two shares such as 0.2,0.8 "
                f"(down, right); it is {self.location!r}"
            )
        return down, right

    def _check(self, side: int, height: int, width: int) -> None:
        box = _box(side, math.radians(min(self.rotation, 45)))
        if box > min(height, width):
            turned = f" ({box} when turned)" if box > side else ""
            raise RecipeError(
                f"a patch of {side}x{side} pixels{turned} does not fit into a picture of "
                f"{width}x{height}; use a smaller side or larger pictures"
            )


def _box(side: int, angle: float) -> int:
    """The side of the upright square that a turned one needs."""
    return math.ceil(side * (abs(math.cos(angle)) + abs(math.sin(angle))) - 1e-6)


def _turned(patch: Tensor, angle: float) -> Tensor:
    """The patch turned about its middle, on nothing."""
    side = patch.shape[-1]
    box = _box(side, angle)
    cos, sin = math.cos(angle) * box / side, math.sin(angle) * box / side
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]], device=patch.device)
    grid = functional.affine_grid(turn[None], [1, patch.shape[0], box, box], align_corners=False)
    return functional.grid_sample(patch[None], grid, align_corners=False)[0]
