"""Which format a file is, by its first bytes and by nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from sallet.core.errors import (
    Broken,
    MediaError,
    Mismatch,
    TooManyBytes,
    TooManyPixels,
    TooMuchMemory,
    UnknownFormat,
)
from sallet.media import gif, jpeg, png, riff, webp
from sallet.media.header import Format, Header
from sallet.media.limits import MIB, Limits

READERS: Final[Mapping[Format, Callable[[bytes], Header]]] = {
    "png": png.read,
    "jpeg": jpeg.read,
    "webp": webp.read,
    "gif": gif.read,
}
TYPES: Final[Mapping[str, Format]] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/webp": "webp",
    "image/gif": "gif",
}
# What decoding takes: bytes a pixel at its peak, measured for the worst variant of each format,
# and what an interpreter with its libraries takes before. A test decodes the largest files that
# this lets pass.
_COST: Final[Mapping[Format, int]] = {"png": 13, "jpeg": 13, "webp": 18, "gif": 13}
_BASE = 96 * MIB


def sniff(data: bytes) -> Format | None:
    """The format that the first bytes show, if it is one that is read."""
    if data.startswith(png.MAGIC):
        return "png"
    if data.startswith(jpeg.MAGIC):
        return "jpeg"
    if data.startswith(riff.MAGIC) and data[8:12] == webp.KIND:
        return "webp"
    if data.startswith(gif.MAGIC):
        return "gif"
    return None


def inspect(data: bytes, *, limits: Limits, claimed: str | None = None) -> Header:
    """The header of an image within the limits; nothing is decoded.

    `claimed` is the MIME type that came with the data. It decides nothing, and one that says
    otherwise than the bytes refuses them.
    """
    if len(data) > limits.encoded:
        raise TooManyBytes
    form = sniff(data)
    if form is None:
        raise UnknownFormat
    if claimed is not None and TYPES.get(claimed.partition(";")[0].strip().lower()) != form:
        raise Mismatch
    refused: type[MediaError] = Broken
    try:
        header = READERS[form](data)
    except (struct.error, IndexError, StopIteration):
        pass
    else:
        pixels = header.width * header.height
        if pixels > limits.pixels or max(header.size) > limits.side:
            refused = TooManyPixels
        elif _BASE + 3 * len(data) + _COST[form] * pixels > limits.memory:
            refused = TooMuchMemory
        elif min(header.size) > 0 and header.plausible:
            return header
    # Outside of the handler, so that what a parser said is not chained to it.
    raise refused
