"""The pictures of an example: their names, how a change is drawn, how a page holds them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

SIDE = 384
AMPLIFY = 10


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, at its own size or at most `SIDE` pixels wide."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str


def first_changed(clean: Sequence[str], hostile: Sequence[str]) -> int:
    """The first whose digest is another; 0 where none is."""
    pairs = enumerate(zip(clean, hostile, strict=False))
    return next((i for i, (before, after) in pairs if before != after), 0)


def purified_name(hostile: str, cell: str) -> str:
    """The same, of the image's digest and the row's cell."""
    return f"purified/{hostile}-{cell}.png"


def difference(clean: Pixels, hostile: Pixels) -> Pixels:
    """What was added, `AMPLIFY` times enlarged: grey is no change."""
    change = hostile.astype(np.int16) - clean.astype(np.int16)
    return np.clip(128 + AMPLIFY * change, 0, 255).astype(np.uint8)


def picture(pixels: Pixels, alt: str, caption: str) -> Picture:
    """A PNG data URI; what is wider or higher than `SIDE` is shown smaller."""
    image = Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    if max(width, height) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        caption = f"{caption} (shown smaller than its {width}×{height})"
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Picture(uri, *image.size, alt, caption)
