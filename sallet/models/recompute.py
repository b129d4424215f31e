"""Gradient checkpointing without dropout: layers recompute, and nothing else trains.

transformers recomputes only layers whose own `training` flag is set; everything inside them, where
dropout is decided, stays in evaluation mode. So the loss is the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def recomputing_layers(model: Any) -> list[nn.Module]:
    """Makes the model's layers ready to be recomputed; they do so only within `recomputing`."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[Any] = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    for layer in layers:
        layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
    return layers


@contextmanager
def recomputing(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Within it, `layers` keep no activations and compute them again on the way back."""
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
