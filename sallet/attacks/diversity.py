"""Input diversity (Xie et al. 2019): looks at a smaller copy, for images meant for other models."""

from __future__ import annotations

import torch
from torch import Tensor


def diverse(image: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Now and then (`share`) smaller, somewhere on a grey ground."""
    draw = torch.rand(4, generator=generator)
    if float(draw[0]) >= share:
        return image
    height, width = image.shape[1:]
    scale = 0.85 + 0.15 * float(draw[1])
    small = torch.nn.functional.interpolate(
        image[None], size=(int(height * scale), int(width * scale)), mode="bilinear", antialias=True
    )[0]
    down, right = height - small.shape[1], width - small.shape[2]
    top, left = int(float(draw[2]) * (down + 1)), int(float(draw[3]) * (right + 1))
    frame = (left, right - left, top, down - top)
    return torch.nn.functional.pad(small, frame, value=0.5)
