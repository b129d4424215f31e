"""What a smoothing defence shows instead of a query: seeded changes of its pictures and sounds.

Each keeps a gradient to the pixels or the waveform, and draws from the query's own defence seed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor

from sallet.core.image import Image
from sallet.core.query import Audio, Query
from sallet.core.seeds import derive

Change: TypeAlias = "Callable[[Tensor, torch.Generator], Tensor]"
KINDS = ("mask", "swap", "patch")


def noisy(query: Query, sigma: float) -> Query:
    """Gaussian noise on every picture (of the pixel range) and sound (of the waveform's)."""

    def add(seen: Tensor, generator: torch.Generator) -> Tensor:
        return seen + sigma * torch.randn(seen.shape, generator=generator).to(seen.device)

    changed = changed_pictures(query, lambda seen, generator: add(seen, generator).clamp(0, 1))
    return changed_sounds(changed, lambda wave, generator: add(wave, generator).clamp(-1, 1))


def scattered(query: Query, kind: str, share: float) -> Query:
    """A random `share` of the positions of each picture and sound is lost, in one of three ways.

    `mask`: black, or silent. `swap`: the positions exchange what they hold. `patch`: one square,
    or one stretch, of them is noise.
    """
    if share == 0:
        return query
    change = {"mask": _mask, "swap": _swap, "patch": _patch}[kind]

    def on(seen: Tensor, generator: torch.Generator) -> Tensor:
        return change(seen, share, generator)

    return changed_sounds(changed_pictures(query, on), on)


def changed_pictures(query: Query, change: Change) -> Query:
    """Each picture as `change` will show it, with a generator of its own at each look."""

    def one(image: Image, seed: int) -> Image:
        return image.view(lambda seen: change(seen, torch.Generator().manual_seed(seed)))

    return query.with_images([one(item.image, item.seed) for item in query.seeded_images()])


def changed_sounds(query: Query, change: Change) -> Query:
    """Each sound changed, with a generator of its own."""

    def one(sound: Audio, number: int) -> Audio:
        seed = derive(query.defense_seed, "sound", number)
        return Audio(change(sound.wave, torch.Generator().manual_seed(seed)), sound.rate)

    return query.with_sounds([one(sound, i) for i, sound in enumerate(query.sounds)])


def seen_by(defense: str, query: Query) -> bool:
    """Whether there is a picture or a sound to defend; that there is none is said once."""
    if query.images or query.sounds:
        return True
    _say_once(defense)
    return False


@cache
def _say_once(defense: str) -> None:
    logging.getLogger("sallet").info(
        "%s changes pictures and sounds; a query without any passes as it is", defense
    )


def _drawn(seen: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Flat numbers of so many positions; all channels of a position go together."""
    positions = seen[0].numel()
    order = torch.randperm(positions, generator=generator)
    return order[: round(share * positions)].to(seen.device)


def _mask(seen: Tensor, share: float, generator: torch.Generator) -> Tensor:
    kept = torch.ones(seen[0].numel(), device=seen.device, dtype=seen.dtype)
    kept[_drawn(seen, share, generator)] = 0
    return seen * kept.view_as(seen[0])


def _swap(seen: Tensor, share: float, generator: torch.Generator) -> Tensor:
    drawn = _drawn(seen, share, generator)
    source = torch.arange(seen[0].numel(), device=seen.device)
    source[drawn] = drawn.roll(1)
    return seen.flatten(1)[:, source].view_as(seen)


def _patch(seen: Tensor, share: float, generator: torch.Generator) -> Tensor:
    where = _Box.draw(tuple(seen.shape[1:]), share, generator).slices
    noise = torch.rand(seen.shape, generator=generator).to(seen)
    if seen.ndim == 2:  # a waveform is in [-1, 1]
        noise = 2 * noise - 1
    inside = torch.zeros_like(seen[0])
    inside[where] = 1
    return seen * (1 - inside) + noise * inside


@dataclass(frozen=True)
class _Box:
    """A place of the same share of every side's power, so that its area is the share asked for."""

    slices: tuple[slice, ...]

    @classmethod
    def draw(cls, sides: tuple[int, ...], share: float, generator: torch.Generator) -> _Box:
        made: list[slice] = []
        for side in sides:
            length = max(1, round(side * share ** (1 / len(sides))))
            start = int(torch.randint(side - length + 1, (1,), generator=generator))
            made.append(slice(start, start + length))
        return cls(tuple(made))
