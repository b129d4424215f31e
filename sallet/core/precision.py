"""Which arithmetic is fast here."""

from __future__ import annotations

import torch


def fast_bfloat16(device: str | torch.device) -> bool:
    """Whether bfloat16 on this device is quicker than float32: a CPU that has it in hardware."""
    if torch.device(device).type != "cpu":
        return False
    return (
        torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
        or torch.cpu._is_amx_tile_supported()  # pyright: ignore[reportPrivateUsage]
    )
