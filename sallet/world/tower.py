"""The tower and its dense pretraining: every patch says what covers it.

Without this stage a language model of this size learns nothing from cluttered
pictures; with it, reading and naming come within a thousand steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from sallet.world.render import CLASSES, UNSURE, labels, render
from sallet.world.scenes import PATCH, SIDE, Scene, crowd

BACKGROUND_WEIGHT = 0.15
"""Most patches show nothing: weighed down, so that the loss is about the rest."""


@dataclass(frozen=True)
class Pictures:
    """Pictures and their patch labels: uint8 ``[B,h,w,3]`` and int64 ``[B,64]``."""

    pixels: Tensor
    labels: Tensor

    @classmethod
    def of(cls, scenes: list[Scene]) -> Pictures:
        pixels = torch.from_numpy(np.stack([render(s) for s in scenes]))
        return cls(pixels, torch.from_numpy(np.stack([labels(s) for s in scenes])))


def vision_config() -> CLIPVisionConfig:
    """The shape of the shipped tower: 64 patches of 24 pixels, four layers of 128."""
    return CLIPVisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        image_size=SIDE, patch_size=PATCH, hidden_act="gelu", projection_dim=128,
    )  # fmt: skip


def normal(pixels: Tensor) -> Tensor:
    """What the shipped image processor gives at this size: ``[B,3,h,w]`` in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class DenseTower(nn.Module):
    """The tower with the head that pretraining throws away."""

    def __init__(self, tower: CLIPVisionModel) -> None:
        super().__init__()
        self.tower = tower
        self.head = nn.Sequential(nn.LayerNorm(128), nn.Linear(128, len(CLASSES)))

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.tower(pixel_values=normal(pixels)).last_hidden_state[:, 1:]
        return self.head(states)


def dense_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of each clearly covered patch, background weighed down."""
    weight = torch.ones(len(CLASSES))
    weight[0] = BACKGROUND_WEIGHT
    return F.cross_entropy(
        logits.float().flatten(0, 1), wanted.flatten(), weight, ignore_index=UNSURE
    )


def crowds(step: int, *, seed: int, size: int) -> Pictures:
    """The tower's batch of one step."""
    return Pictures.of([crowd((seed << 32) + step * size + i) for i in range(size)])


@torch.no_grad()
def patch_accuracy(model: DenseTower, pictures: Pictures) -> dict[str, float]:
    """Share of patches named right, by what they show."""
    guess, wanted = model(pictures.pixels).argmax(-1), pictures.labels
    letters = len(CLASSES) - 26
    kinds = {
        "background": wanted == 0,
        "things": (wanted > 0) & (wanted < letters),
        "letters": wanted >= letters,
    }
    return {name: float((guess == wanted)[mask].float().mean()) for name, mask in kinds.items()}
