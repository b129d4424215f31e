"""Pictures as a client sends them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from sallet.core.image import Pixels
from tests.media.corpus.build import saved


def picture(seed: int = 0, side: int = 16) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def part(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(data, kind)}}


def png(seed: int = 0, side: int = 16) -> bytes:
    return saved(picture(seed, side), "PNG")
