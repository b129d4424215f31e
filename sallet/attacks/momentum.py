"""MI-FGSM's momentum (Dong et al. 2018, eq. 6): gradients of unit mean size, summed with decay."""

from __future__ import annotations

import torch
from torch import Tensor


def gathered(velocity: Tensor, gradient: Tensor, decay: float) -> Tensor:
    """`velocity`, changed in place: memory is what a step on a CPU costs."""
    mean = torch.linalg.vector_norm(gradient, 1) / gradient.numel()
    return velocity.mul_(decay).addcdiv_(gradient, mean.clamp_min(1e-20))
