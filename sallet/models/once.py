"""Each picture through the tower once, however many questions are asked about it.

Two rows share a picture when they hold the very same tensor: an attack on many goals of one
image. Everything before and in the tower is then done once, and its output repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree

TOWERS = ("vision_tower", "visual", "vision_model")


@dataclass(frozen=True, eq=False)
class Repeats:
    """The different pictures, and which of them each place shows."""

    images: list[Tensor]
    index: Tensor

    def fits(self, values: Iterable[Tensor]) -> bool:
        """Whether these hold an equal block for each different picture."""
        return all(value.shape[0] % len(self.images) == 0 for value in values)

    def repeat(self, value: Tensor) -> Tensor:
        """A tensor with an equal block for each different picture, with one for each place."""
        blocks = value.unflatten(0, (len(self.images), -1))
        return blocks[self.index.to(value.device)].flatten(0, 1)

    def first(self, value: Tensor) -> Tensor:
        """The way back: one block for each different picture."""
        places = [int((self.index == i).nonzero()[0]) for i in range(len(self.images))]
        return value.unflatten(0, (len(self.index), -1))[places].flatten(0, 1)


def tower_of(model: Any) -> nn.Module | None:
    """The vision tower of a vision-language model, where it stands under a usual name."""
    inner = getattr(model, "model", model)
    return next((getattr(inner, name) for name in TOWERS if hasattr(inner, name)), None)


def repeats(images: Sequence[Tensor]) -> Repeats | None:
    """What is shown more than once; None if nothing is, or if sizes differ."""
    kept = {id(image): image for image in images}
    if len(kept) == len(images) or len({image.shape for image in images}) > 1:
        return None
    place = {key: i for i, key in enumerate(kept)}
    return Repeats(list(kept.values()), torch.tensor([place[id(image)] for image in images]))


@contextmanager
def each_once(tower: nn.Module, repeated: Repeats) -> Iterator[None]:
    """Within it the tower is fed only the first of every picture, and its output is repeated."""
    places, different = len(repeated.index), len(repeated.images)

    def before(_: nn.Module, args: Any, kwargs: Any) -> Any:
        return _each((args, kwargs), places, repeated.first)

    def after(_: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
        return _each(out, different, repeated.repeat)

    hooks = (
        tower.register_forward_pre_hook(before, with_kwargs=True),
        tower.register_forward_hook(after, with_kwargs=True),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _each(values: Any, blocks: int, change: Any) -> Any:
    def one(value: Any) -> Any:
        whole = isinstance(value, Tensor) and value.ndim and value.shape[0] % blocks == 0
        return change(value) if whole else value

    return _pytree.tree_map(one, values)
