"""Defences that only change the pixels, by a formula: what every purifier must beat."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as Pil
from torch import Tensor
from torch.nn.functional import interpolate

from sallet.core.errors import RecipeError
from sallet.core.image import View, straight_through, to_float, to_pixels
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.defenses.views import noisy

Array: TypeAlias = npt.NDArray[Any]


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
class Blur:
    """Smooths every image with a Gaussian of `sigma` pixels."""

    sigma: float = 1.0
    name: ClassVar[str] = "blur"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.sigma <= 50:
            raise RecipeError(f"blur sigma must be above 0 and at most 50; it is {self.sigma}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.map_images(lambda image: image.view(self._smooth))

    def _smooth(self, seen: Tensor) -> Tensor:
        from torchvision.transforms.functional import gaussian_blur

        side = 2 * math.ceil(3 * self.sigma) + 1
        room = min(seen.shape[-2:])  # a kernel reaches no further than the picture does
        side = min(side, room - 1 + room % 2)
        return gaussian_blur(seen, [side, side], [self.sigma, self.sigma]) if side > 1 else seen


@dataclass(frozen=True)
class BitDepth:
    """Keeps `bits` of every channel's eight (Xu et al. 2018). Gradient: straight through."""

    bits: int = 4
    name: ClassVar[str] = "bit-depth"
    gradient: ClassVar[Gradient] = "straight-through"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise RecipeError(f"bit-depth keeps 1 to 8 bits; it was told {self.bits}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        levels = 2**self.bits - 1
        return query.map_images(
            lambda image: image.view(straight_through(lambda s: (s * levels).round() / levels))
        )


@dataclass(frozen=True)
class TotalVariation:
    """Every image as the smoothest one near it (Chambolle 2004, of scikit-image); a larger `weight`
    is smoother. Gradient: straight through.
    """

    weight: float = 0.1
    name: ClassVar[str] = "tv"
    gradient: ClassVar[Gradient] = "straight-through"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise RecipeError(f"tv weight must be above 0; it is {self.weight}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        from skimage.restoration import denoise_tv_chambolle

        def smooth(pixels: Array) -> Array:
            return denoise_tv_chambolle(pixels, weight=self.weight, channel_axis=-1)

        return query.map_images(lambda image: image.view(straight_through(_on_arrays(smooth))))


@dataclass(frozen=True)
class NonLocalMeans:
    """Every patch as the mean of those that look like it (Buades et al. 2005, of scikit-image);
    `strength` is how unlike they may be. Gradient: straight through.
    """

    strength: float = 0.05
    name: ClassVar[str] = "nlm"
    gradient: ClassVar[Gradient] = "straight-through"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise RecipeError(f"nlm strength must be above 0; it is {self.strength}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        from skimage.restoration import denoise_nl_means

        def mean(pixels: Array) -> Array:
            return denoise_nl_means(
                pixels, patch_size=5, patch_distance=6, h=self.strength, channel_axis=-1
            )

        return query.map_images(lambda image: image.view(straight_through(_on_arrays(mean))))


def _on_arrays(change: Callable[[Array], Array]) -> View:
    """A change of float `[h,w,3]` arrays as one of tensors."""

    def on(seen: Tensor) -> Tensor:
        made = change(seen.permute(1, 2, 0).float().cpu().numpy())
        return torch.from_numpy(made).permute(2, 0, 1).to(seen).clamp(0, 1)

    return on


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on every image and sound, one pass: the control for smoothing."""

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
