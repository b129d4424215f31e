"""Canonical pixels as a PNG to send on: fast, lossless, and nothing but pixels in it.

Pillow's PNG writer tries five filters for every row, which costs most of its time whatever the
compression. Here a row is stored as it is, or as its difference from the row above.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from sallet.core.image import Image, Pixels
from sallet.media.png import MAGIC, RGB, chunk

_AS_IT_IS, _FROM_ABOVE = 0, 2


def encode(image: Image, *, pack: bool = False) -> bytes:
    """A PNG whose canonical image is this image's pixels.

    Stored, it is as long as the pixels and made at the speed of copying: right for a model server
    near by. `pack` makes photographs about a third and drawings many times smaller, and takes
    some twenty times as long (still a third of what Pillow's fastest setting takes).
    """
    pixels = image.pixels()
    height, width, _ = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, RGB, 0, 0, 0)
    return b"".join(
        (MAGIC, chunk(b"IHDR", head), chunk(b"IDAT", _data(pixels, pack)), chunk(b"IEND", b""))
    )


def _data(pixels: Pixels, pack: bool) -> bytes:
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, 3 * width)
    lines = np.empty((height, 1 + 3 * width), np.uint8)
    lines[:, 0] = _FROM_ABOVE if pack else _AS_IT_IS
    if not pack:
        lines[:, 1:] = rows
        return zlib.compress(lines.data, 0)
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])  # modulo 256, as PNG wants it
    # Runs and letter frequencies; a search for longer repeats finds little in differences.
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return packer.compress(lines.data) + packer.flush()
