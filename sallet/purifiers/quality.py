"""How near a purified picture is to the clean one: PSNR, SSIM, and LPIPS where its weights are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sallet.core.errors import InputError, ModelError

MOST = 100.0
"""Decibels of two pictures that are the same."""


@dataclass(frozen=True)
class Quality:
    """PSNR in decibels, SSIM up to 1; `lpips` (0 is the same) is None where its weights are not at
    hand."""

    psnr: float
    ssim: float
    lpips: float | None = None


def quality(made: Sequence[Tensor], clean: Sequence[Tensor]) -> list[Quality]:
    """One for each pair of `[3,h,w]` pictures in [0,1], in order."""
    found: list[Quality] = []
    for number, (one, other) in enumerate(zip(made, clean, strict=True)):
        if one.shape != other.shape:
            raise InputError(
                f"picture {number} is {_size(one)} and the clean one {_size(other)}; they are "
                "compared pixel by pixel, so give pictures of one size"
            )
        found.append(_of(one.detach()[None].float().cpu(), other.detach()[None].float().cpu()))
    return found


def _of(made: Tensor, clean: Tensor) -> Quality:
    functional: Any = _metrics().functional
    psnr = float(functional.image.peak_signal_noise_ratio(made, clean, data_range=1.0))
    ssim = float(functional.image.structural_similarity_index_measure(made, clean, data_range=1.0))
    with torch.no_grad():
        lpips = float(_lpips()(made, clean)) if _has_lpips() else None
    return Quality(min(psnr, MOST), ssim, lpips)


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}x{picture.shape[-2]}"


@cache
def _metrics() -> Any:
    try:
        import torchmetrics
    except ImportError:
        raise ModelError(
            "quality is measured by torchmetrics; install it with `pip install 'sallet[train]'`"
        ) from None
    return torchmetrics


def _has_lpips() -> bool:
    """Only weights that lie here already are used; nothing is fetched."""
    kept = Path(torch.hub.get_dir()) / "checkpoints"
    return any(kept.glob("alexnet-owt-*.pth"))


@cache
def _lpips() -> Any:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
