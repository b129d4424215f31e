"""The tower and its dense pretraining: every patch says what it shows, and where it is.

Without this stage a language model of this size learns nothing from cluttered
pictures; with it, reading and naming come within a thousand steps. The place is
asked for because rotary positions alone leave none in a patch's state: a tower
that has only those names the right things at the wrong places. Letters are narrower
than patches, so each half of a patch says which letter of its word it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sallet.world.atlas import LETTERS
from sallet.world.make import GRID, IMAGE_TOKENS, WIDE, Make
from sallet.world.render import CLASSES, GROUNDS, UNSURE, labels, resized, seen, spelling
from sallet.world.scenes import LARGEST_WORD, SIDE, Scene, crowd

BACKGROUND_WEIGHT: Final = 0.15
"""Most patches show nothing: weighed down, so that the loss is about the rest."""
PLACE_WEIGHT: Final = 0.1
"""Of the row and the column that a patch says it is in."""
SPELLING_WEIGHT: Final = 0.5
"""Of the letter in each half of a patch, and of its place in the word."""
HALF: Final = (len(LETTERS) + 1, LARGEST_WORD)
SAYS: Final = (len(CLASSES), GRID, GRID, *HALF, *HALF)
"""What each patch says: what it shows, its row, its column, and of each half letter and place."""
NOISY: Final = 0.15
BLURRED: Final = 0.1
"""Shares of training pictures that are spoilt: real towers have seen bad pictures, too."""


@dataclass(frozen=True)
class Pictures:
    """Pictures uint8 ``[B,h,w,3]``, what patches show ``[B,64]`` and what is written in them."""

    pixels: Tensor
    labels: Tensor
    spelling: Tensor
    """``[B,64,2,2]``, see ``render.spelling``."""

    @classmethod
    def of(cls, scenes: list[Scene]) -> Pictures:
        """As a model of this world sees them; some of them spoilt, by their seed."""
        pixels = torch.from_numpy(np.stack([spoilt(s.seed, seen(s)) for s in scenes]))
        shown, written = (np.stack([f(s) for s in scenes]) for f in (labels, spelling))
        return cls(pixels, torch.from_numpy(shown), torch.from_numpy(written))


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
        self.head = nn.Sequential(nn.LayerNorm(WIDE), nn.Linear(WIDE, sum(SAYS)))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.make.states(self.tower, normal(pixels)))


def dense_loss(logits: Tensor, pictures: Pictures) -> Tensor:
    """Cross-entropy of each clearly covered patch, of its place, and of what is written in it."""
    what, row, column, *written = logits.float().split(SAYS, -1)
    weight = torch.ones(len(CLASSES))
    weight[:GROUNDS] = BACKGROUND_WEIGHT
    loss = _entropy(what, pictures.labels, weight)
    patches = torch.arange(IMAGE_TOKENS).repeat(len(logits), 1)
    for guess, place in ((row, patches // GRID), (column, patches % GRID)):
        loss = loss + PLACE_WEIGHT * _entropy(guess, place)
    letters = torch.ones(len(LETTERS) + 1)
    letters[-1] = BACKGROUND_WEIGHT
    wanted = pictures.spelling.flatten(2).unbind(-1)
    for guess, wants, scale in zip(written, wanted, (letters, None) * 2, strict=True):
        if (wants != UNSURE).any():  # a batch without words has no places in them
            loss = loss + SPELLING_WEIGHT / len(written) * _entropy(guess, wants, scale)
    return loss


def _entropy(guess: Tensor, wanted: Tensor, weight: Tensor | None = None) -> Tensor:
    return F.cross_entropy(guess.flatten(0, 1), wanted.flatten(), weight, ignore_index=UNSURE)


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
