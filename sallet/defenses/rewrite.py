"""Defences that only change the pixels: JPEG, resize, noise. The baselines of every purifier."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image as Pil
from torch import Tensor
from torch.nn.functional import interpolate

from sallet.core.errors import RecipeError
from sallet.core.image import Image, straight_through, to_float, to_pixels
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query


@dataclass(frozen=True)
class Jpeg:
    """Re-encodes every image as JPEG (Dziugaite et al. 2016). Gradient: straight through (BPDA)."""

    quality: int = 75
    name: ClassVar[str] = "jpeg"
    gradient: ClassVar[Gradient] = "straight-through"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise RecipeError(f"jpeg quality must be 1 to 100; it is {self.quality}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.map_images(lambda image: image.view(straight_through(self._encode)))

    def _encode(self, seen: Tensor) -> Tensor:
        file = io.BytesIO()
        Pil.fromarray(to_pixels(seen)).save(file, format="JPEG", quality=self.quality)
        return to_float(np.asarray(Pil.open(file).convert("RGB"))).to(seen.device)


@dataclass(frozen=True)
class Resize:
    """Shrinks every image to `scale` of its size and back (bilinear, antialiased)."""

    scale: float = 0.5
    name: ClassVar[str] = "resize"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 1:
            raise RecipeError(f"resize scale must be above 0 and at most 1; it is {self.scale}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.map_images(lambda image: image.view(self._there_and_back))

    def _there_and_back(self, seen: Tensor) -> Tensor:
        height, width = int(seen.shape[1]), int(seen.shape[2])
        small = (max(1, round(height * self.scale)), max(1, round(width * self.scale)))
        shrunk = interpolate(seen[None], size=small, mode="bilinear", antialias=True)
        return interpolate(shrunk, size=(height, width), mode="bilinear", antialias=True)[0]


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on every image, one pass: the control for every smoothing defence."""

    sigma: float = 0.1
    name: ClassVar[str] = "noise"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 1:
            raise RecipeError(
                f"noise sigma must be 0 to 1 (of the pixel range); it is {self.sigma}"
            )

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return noisy(query, self.sigma)


def noisy(query: Query, sigma: float) -> Query:
    """The query with Gaussian noise on each image, drawn from the query's own defence seed."""

    def one(image: Image, seed: int) -> Image:
        def change(seen: Tensor) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            noise = torch.randn(seen.shape, generator=generator).to(seen.device)
            return (seen + sigma * noise).clamp(0, 1)

        return image.view(change)

    return query.with_images([one(item.image, item.seed) for item in query.seeded_images()])
