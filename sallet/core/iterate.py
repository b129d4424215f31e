"""`iterate`: many steps of a sampler, with a full gradient and the memory of one step."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]

from sallet.core.seeds import derive


class Step(Protocol):
    """One iteration: what it changes is `x`, and all that it may draw from is `generator`."""

    def __call__(self, x: Tensor, number: int, generator: torch.Generator, /) -> Tensor: ...


def iterate(step: Step, x: Tensor, times: int, seed: int) -> Tensor:
    """`x` after `step` was made `times` times; the same numbers with and without a gradient.

    Where a gradient may be wanted, each iteration keeps its input alone and is made again on the
    way back: so a purifier of a hundred steps is differentiated through whole, not cut short or
    taken for the identity. That asks of `step` that it makes the same again: its noise is from the
    generator that it is handed, which is new at each iteration and the same at each making of it.
    """

    def make(now: Tensor, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive(seed, "iterate", number))
        return step(now, number, generator)

    for number in range(times):
        if torch.is_grad_enabled():
            made = checkpoint(make, x, number, use_reentrant=False, preserve_rng_state=False)
            assert isinstance(made, Tensor)
            x = made
        else:
            x = make(x, number)
    return x
