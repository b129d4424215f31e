"""`Network`: a diffusers `UNet2DModel` that takes pictures of any size."""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

TIMES = 1000
"""A U-Net counts time in thousandths."""


class Network(nn.Module):
    """`[B, c, h, w]` and a time for each to something of the same shape.

    The U-Net says what the clean picture is. `way`: what comes out is the velocity of a straight
    way there, which is at its end at time 1. (To say the way itself, and so the noise that was
    laid on, would take as many channels inside as there are values in a fold. Only a base that was
    taught noise, `stable.Prompted`, gives the velocity by itself.)

    Blocks of `fold` x `fold` values are folded into channels before the U-Net and unfolded behind
    it: its convolutions then see a `fold`-th of the width and height, which is what a step costs.
    Sizes that do not divide are continued by their own edge, and cut again.
    """

    def __init__(self, unet: Any, fold: int = 1, *, way: bool = False) -> None:
        super().__init__()
        self.unet, self.fold, self.way = unet, fold, way

    @property
    def channels(self) -> int:
        """Channels of what it takes."""
        return int(self.unet.config.in_channels) // self.fold**2

    @property
    def multiple(self) -> int:
        """What a height and a width are brought up to a multiple of."""
        return self.fold * 2 ** (len(self.unet.config.block_out_channels) - 1)

    def forward(self, seen: Tensor, time: Tensor) -> Tensor:
        """`time` `[B]` as the U-Net counts it. Where a gradient to the picture alone is asked for,
        nothing of the inside is kept: it is computed again on the way back."""
        height, width = seen.shape[-2:]
        down, right = (-side % self.multiple for side in (height, width))
        folded = functional.pad(seen, (0, right, 0, down), mode="replicate")
        folded = functional.pixel_unshuffle(folded, self.fold)
        if torch.is_grad_enabled() and folded.requires_grad and not self.training:
            out = checkpoint(self._inside, folded, time, use_reentrant=False)
        else:
            out = self._inside(folded, time)
        whole = functional.pixel_shuffle(cast(Tensor, out), self.fold)[..., :height, :width]
        whole = whole.to(seen.dtype)
        if self.way:
            return (whole - seen) / (1 - time.to(seen.dtype) / TIMES).view(-1, 1, 1, 1)
        return whole

    def _inside(self, folded: Tensor, time: Tensor) -> Tensor:
        return self.unet(folded, time).sample


def unet(
    channels: int = 3,
    *,
    fold: int = 2,
    widths: tuple[int, ...] = (32, 64, 96),
    layers: int = 1,
    groups: int = 8,
    way: bool = False,
) -> Network:
    """An untrained one. No attention: a picture larger than those of the training costs no more a
    pixel, and means the same to it."""
    inside = channels * fold**2
    made = UNet2DModel(
        in_channels=inside,
        out_channels=inside,
        block_out_channels=widths,
        layers_per_block=layers,
        down_block_types=("DownBlock2D",) * len(widths),
        up_block_types=("UpBlock2D",) * len(widths),
        norm_num_groups=groups,
        add_attention=False,
    )
    return Network(made, fold, way=way)
