"""Two losses of one network, neither drowned by the other."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor, nn


def backward(accelerator: Accelerator, network: nn.Module, first: Tensor, second: Tensor) -> None:
    """Leaves in `network` the gradient of `first`, and that of `second` made no longer than it.

    A guide asks much of a network that has not learned anything yet: added as it is, its gradient
    was tens of times the other's, and nothing was learned at all.
    """
    accelerator.backward(first)
    weights = [weight for weight in network.parameters() if weight.grad is not None]
    kept = [_grad(weight).clone() for weight in weights]
    for weight in weights:
        weight.grad = None
    accelerator.backward(second)
    most = torch.nn.utils.get_total_norm(kept)
    own = torch.nn.utils.get_total_norm([_grad(weight) for weight in weights])
    share = (most / own.clamp_min(1e-12)).clamp(max=1)
    for weight, other in zip(weights, kept, strict=True):
        weight.grad = _grad(weight) * share + other


def _grad(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad
