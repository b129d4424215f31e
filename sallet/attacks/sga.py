"""`SGA`: a picture and its captions, changed together so that an encoder no longer matches them.

Set-level guidance attack (Lu et al. 2023, equations 2 to 5): the captions first, led by the clean
picture; then the picture at several scales, away from all of its new captions; then the captions
again, led by the new picture. With one caption and one scale it is Co-Attack (Zhang et al. 2022)
as SGA's authors describe it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from sallet.attacks.momentum import gathered
from sallet.attacks.substitutes import neighbours
from sallet.attacks.threat import Threat, floats
from sallet.core.errors import RecipeError
from sallet.core.image import Image
from sallet.core.seeds import derive
from sallet.models.towers import Tower

Rewordings: TypeAlias = Callable[[str], Sequence[str]]
"""What may stand in place of a caption."""

_WORD = re.compile(r"[^\W\d_]+")
TEXTS = 512
"""Texts that are embedded together."""
FURTHER = 8
"""As many times more neighbours are looked at, since those that are named are passed over."""


@dataclass(frozen=True)
class Pair:
    """A picture and its captions: one or more texts that are true of it."""

    image: Image
    captions: tuple[str, ...]


@dataclass(frozen=True)
class HostilePair(Pair):
    """What was made of a pair: the 8-bit picture, a text for each caption in order, and the mean
    cosine of picture and captions before and after."""

    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class SGA:
    """Makes each pair hostile to `tower`. Whether a retrieval fails is for a retrieval to say.

    `eps` bounds the picture as everywhere; of a caption one of its `Rewordings` is taken, if it is
    farther from the picture. A step looks at the picture at every one of `scales`.
    """

    name: ClassVar[str] = "sga"
    eps: float = 8.0
    norm: str = "linf"
    steps: int = 20
    step: float | None = None
    momentum: float = 0.75
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5)
    batch: int = 32

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise RecipeError("steps and batch must be at least 1")
        if not self.scales or min(self.scales) <= 0:
            raise RecipeError(f"scales must be shares of the picture's size; got {self.scales}")
        _ = self.threat

    @property
    def threat(self) -> Threat:
        """The ball that a picture may be moved in."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

    def __call__(
        self, tower: Tower, pairs: Sequence[Pair], *, reword: Rewordings, seed: int
    ) -> list[HostilePair]:
        """One for each pair, in order; no pair changes what is made of another."""
        made: list[HostilePair] = []
        for start in range(0, len(pairs), self.batch):
            made += self._attack(tower, pairs[start : start + self.batch], reword, seed)
        return made

    def _attack(
        self, tower: Tower, pairs: Sequence[Pair], reword: Rewordings, seed: int
    ) -> list[HostilePair]:
        before = _shown(tower, [pair.image for pair in pairs])
        texts = [farthest(tower, row, p, reword) for row, p in zip(before, pairs, strict=True)]
        images = self._moved(tower, pairs, texts, seed)
        after = _shown(tower, images)
        texts = [farthest(tower, row, p, reword) for row, p in zip(after, pairs, strict=True)]
        return [
            HostilePair(
                image,
                text,
                float((_said(tower, pair.captions) @ old).mean()),
                float((_said(tower, text) @ new).mean()),
            )
            for pair, image, text, old, new in zip(pairs, images, texts, before, after, strict=True)
        ]

    def _moved(
        self, tower: Tower, pairs: Sequence[Pair], texts: Sequence[Sequence[str]], seed: int
    ) -> list[Image]:
        said = [_said(tower, text) for text in texts]
        clean = [floats(pair.image) for pair in pairs]
        change = [
            self.threat.start(c, _generator(seed, p)) for c, p in zip(clean, pairs, strict=True)
        ]
        velocity = [torch.zeros_like(c) for c in clean]
        first = (self.eps / 4 if self.step is None else self.step) / 255
        for at in range(self.steps):
            leaves = [c.clone().requires_grad_() for c in change]
            whole = [c + leaf for c, leaf in zip(clean, leaves, strict=True)]
            for scale in self.scales:
                rows = tower.embed_images([_scaled(image, scale) for image in whole])
                alike = [(own @ row).mean() for own, row in zip(said, rows, strict=True)]
                torch.stack(alike).sum().backward(retain_graph=True)
            size = first * (1 - 0.9 * at / self.steps)
            for i, leaf in enumerate(leaves):
                gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                ahead = self.threat.direction(gathered(velocity[i], gradient, self.momentum))
                moved = change[i] + ahead * size
                change[i] = self.threat.project(moved, clean[i])
        return [self.threat.file(c, moved) for c, moved in zip(clean, change, strict=True)]


def farthest(tower: Tower, seen: Tensor, pair: Pair, reword: Rewordings) -> tuple[str, ...]:
    """Of every caption and its rewordings the text that is least like the picture's row `seen`."""
    made: list[str] = []
    for caption in pair.captions:
        texts = list(dict.fromkeys([caption, *reword(caption)]))
        made.append(texts[int((_said(tower, texts) @ seen).argmin())])
    return tuple(made)


def swaps(tower: Tower, *, candidates: int = 8, keep: Callable[[str], bool]) -> Rewordings:
    """One word in place of another that lies near it among the encoder's embeddings.

    Every word is tried but those that `keep` names: they stay, and none is put in another's place.
    Nothing else holds the meaning.
    """
    near = neighbours(tower.lexicon, FURTHER * candidates)

    def others(caption: str, start: int, end: int) -> list[str]:
        return [word for word in near(caption, start, end) if not keep(word)][:candidates]

    def reword(caption: str) -> list[str]:
        return [
            caption[: word.start()] + other + caption[word.end() :]
            for word in _WORD.finditer(caption)
            if not keep(word[0])
            for other in others(caption, word.start(), word.end())
        ]

    return reword


@torch.no_grad()
def _said(tower: Tower, texts: Sequence[str]) -> Tensor:
    parts = [texts[i : i + TEXTS] for i in range(0, len(texts), TEXTS)]
    return torch.cat([tower.embed_texts(part) for part in parts])


@torch.no_grad()
def _shown(tower: Tower, images: Sequence[Image]) -> Tensor:
    return tower.embed_images([floats(image) for image in images])


def _scaled(image: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[1:])
    return functional.interpolate(
        image[None], size=(height, width), mode="bilinear", antialias=True
    )[0].clamp(0, 1)


def _generator(seed: int, pair: Pair) -> torch.Generator:
    own = derive(seed, "sga", pair.image.digest, *pair.captions)
    return torch.Generator().manual_seed(own)
