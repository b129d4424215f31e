"""Where a sampler walks: on pixels, or in the latent space of an autoencoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from sallet.core.errors import ModelError


class Space(Protocol):
    """Pictures `[B,3,h,w]` in [0,1] to points, and points back to pictures."""

    def to(self, pictures: Tensor, /) -> Tensor: ...
    def back(self, pictures: Tensor, before: Tensor, after: Tensor, /) -> Tensor:
        """What `pictures`, whose points were `before`, have become at `after`."""
        ...


@dataclass(frozen=True)
class PixelSpace:
    """A point is the picture itself, in [-1,1]."""

    def to(self, pictures: Tensor) -> Tensor:
        """In [-1,1]."""
        return pictures * 2 - 1

    def back(self, pictures: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """In [0,1]."""
        return (after + 1) / 2


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """A point is what a diffusers autoencoder (`AutoencoderKL`, `AutoencoderTiny`) makes of it.

    What comes back is the picture plus the change that the decoder shows: an autoencoder loses
    small letters, and what it never had it cannot give back.
    """

    autoencoder: Any

    @classmethod
    def load(cls, folder: str | Path, part: str | None = None) -> LatentSpace:
        """Of a folder that diffusers saved, as its config names the class; or the `part` of a
        pipeline, from the hub if need be."""
        import diffusers
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        try:
            if part is not None and not Path(folder).is_dir():
                made: Any = AutoencoderKL.from_pretrained(str(folder), subfolder=part)
                return cls(made.float().eval().requires_grad_(False))
            folder = Path(folder) / (part or "")
            name = json.loads((folder / "config.json").read_text("utf-8"))["_class_name"]
            made = getattr(diffusers, name).from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{folder} holds no autoencoder that diffusers can load: {error}; give a folder "
                "with its config.json and weights"
            ) from None
        return cls(made.float().eval().requires_grad_(False))

    @property
    def multiple(self) -> int:
        """Pixels a point stands for, along one side."""
        config = self.autoencoder.config
        blocks = getattr(config, "block_out_channels", None) or config.encoder_block_out_channels
        return 2 ** (len(blocks) - 1)

    @property
    def _scale(self) -> float:
        return float(getattr(self.autoencoder.config, "scaling_factor", 1.0) or 1.0)

    def to(self, pictures: Tensor) -> Tensor:
        """The mean of the code, where it is a distribution."""
        height, width = pictures.shape[-2:]
        down, right = (-side % self.multiple for side in (height, width))
        padded = functional.pad(pictures * 2 - 1, (0, right, 0, down), mode="replicate")
        coded = self.autoencoder.encode(padded)
        latent = coded.latent_dist.mode() if hasattr(coded, "latent_dist") else coded.latents
        return latent * self._scale

    def back(self, pictures: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """The picture and the decoded change."""
        both = self.autoencoder.decode(torch.cat([before, after]) / self._scale).sample / 2
        was, became = both.chunk(2)
        height, width = pictures.shape[-2:]
        return pictures + (became - was)[..., :height, :width]
