"""The tower and its dense pretraining: every patch says what it shows, and where it is.

Without this stage a language model of this size learns nothing from cluttered
pictures; with it, reading and naming come within a thousand steps. The place is
asked for because rotary positions alone leave none in a patch's state: a tower
that has only those names the right things at the wrong places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sallet.world.make import GRID, IMAGE_TOKENS, WIDE, Make
from sallet.world.render import CLASSES, GROUNDS, UNSURE, labels, resized, seen
from sallet.world.scenes import SIDE, Scene, crowd

BACKGROUND_WEIGHT: Final = 0.15
"""Most patches show nothing: weighed down, so that the loss is about the rest."""
PLACE_WEIGHT: Final = 0.1
"""Of the row and the column that a patch says it is in."""
NOISY: Final = 0.15
BLURRED: Final = 0.1
"""Shares of training pictures that are spoilt: real towers have seen bad pictures, too."""


@dataclass(frozen=True)
class Pictures:
    """Pictures and their patch labels: uint8 ``[B,h,w,3]`` and int64 ``[B,64]``."""

    pixels: Tensor
    labels: Tensor

    @classmethod
    def of(cls, scenes: list[Scene]) -> Pictures:
        """As a model of this world sees them; some of them spoilt, by their seed."""
        pixels = torch.from_numpy(np.stack([spoilt(s.seed, seen(s)) for s in scenes]))
        return cls(pixels, torch.from_numpy(np.stack([labels(s) for s in scenes])))


def spoilt(seed: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with Gaussian noise or a loss of sharpness, or as it is."""
    rng = np.random.default_rng([seed, 5])
    draw = rng.random()
    if draw < NOISY:
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(2, 30)
        return np.clip(pixels + noise, 0, 255).astype(np.uint8)
    if draw < NOISY + BLURRED:
        return resized(resized(pixels, int(rng.integers(80, 150))), SIDE)
    return pixels


def normal(pixels: Tensor) -> Tensor:
    """What the shipped image processor gives at this size: ``[B,3,h,w]`` in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class DenseTower(nn.Module):
    """A make's tower with the head that pretraining throws away."""

    def __init__(self, make: Make, tower: Any) -> None:
        super().__init__()
        self.make, self.tower = make, tower
        self.head = nn.Sequential(nn.LayerNorm(WIDE), nn.Linear(WIDE, len(CLASSES) + 2 * GRID))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.make.states(self.tower, normal(pixels)))


def dense_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of each clearly covered patch, background weighed down, and of its place."""
    what, *where = logits.float().split((len(CLASSES), GRID, GRID), -1)
    weight = torch.ones(len(CLASSES))
    weight[:GROUNDS] = BACKGROUND_WEIGHT
    loss = F.cross_entropy(what.flatten(0, 1), wanted.flatten(), weight, ignore_index=UNSURE)
    patches = torch.arange(IMAGE_TOKENS)
    for guess, place in zip(where, (patches // GRID, patches % GRID), strict=True):
        side = F.cross_entropy(guess.flatten(0, 1), place.repeat(len(logits)))
        loss = loss + PLACE_WEIGHT * side
    return loss


def crowds(step: int, *, seed: int, size: int) -> Pictures:
    """The tower's batch of one step."""
    return Pictures.of([crowd((seed << 32) + step * size + i) for i in range(size)])


@torch.no_grad()
def patch_accuracy(model: DenseTower, pictures: Pictures) -> dict[str, float]:
    """Share of patches named right, by what they show."""
    logits, wanted = model(pictures.pixels), pictures.labels
    guess = logits[..., : len(CLASSES)].argmax(-1)
    letters = len(CLASSES) - 26
    kinds = {
        "background": (wanted >= 0) & (wanted < GROUNDS),
        "things": (wanted >= GROUNDS) & (wanted < letters),
        "letters": wanted >= letters,
    }
    return {name: float((guess == wanted)[mask].float().mean()) for name, mask in kinds.items()}
