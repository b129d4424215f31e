"""A picture that looks otherwise when it is made smaller in another way is not what it seems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sallet.core.errors import RecipeError
from sallet.core.image import Image
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query, refusal


@dataclass(frozen=True)
class Disagreement:
    """How far ways of making a picture smaller are apart: the largest mean distance, 0 to 1.

    Pixels that only one of them looks at (Quiring et al. 2020) weigh nothing in a mean over areas;
    so every other way is held against that one. A picture that fits is 0: nothing is resized.
    """

    side: int
    name: str = "disagreement"

    def __call__(self, items: Sequence[Image]) -> list[Tensor]:
        """One for each picture, with its gradient."""
        return [self._one(image.tensor()) for image in items]

    def _one(self, seen: Tensor) -> Tensor:
        height, width = seen.shape[-2:]
        scale = self.side / max(height, width)
        if scale >= 1:
            return (seen * 0).sum()
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        whole = seen[None]
        calm = interpolate(whole, size=size, mode="area")
        others = [
            interpolate(whole, size=size, mode="nearest"),
            interpolate(whole, size=size, mode="nearest-exact"),
            interpolate(whole, size=size, mode="bilinear"),
            interpolate(whole, size=size, mode="bicubic", antialias=True).clamp(0, 1),
        ]
        return torch.stack([(other - calm).abs().mean() for other in others]).max()


@dataclass(frozen=True)
class ScalingScreen:
    """Refuses where ways of making a picture smaller, to `side`, are further apart than this.

    `side` is what the model looks at. `sallet calibrate` finds a threshold for your own pictures.
    """

    side: int = 336
    threshold: float = 0.08
    name: ClassVar[str] = "scaling-screen"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.side < 1 or not 0 <= self.threshold <= 1:
            raise RecipeError(
                "a scaling screen has a side of at least 1 and a threshold from 0 to 1; these are "
                f"{self.side} and {self.threshold}"
            )

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not query.images:
            return query
        apart = await via.batch(Disagreement(self.side), query.images)
        alarm = await via.decide(torch.stack(apart).max() - self.threshold)
        return refusal(self.name) if alarm else query
