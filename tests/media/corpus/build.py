"""Files made byte by byte, so that each can be wrong in exactly one way."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pil

Pixels = npt.NDArray[np.uint8]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SECRET = b"SECRET-0x7f3a-/etc/passwd-<script>alert(1)</script>"


def picture(height: int = 18, width: int = 26) -> Pixels:
    """Smooth, coloured, and different in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    red = 30 + 190 * x / max(width - 1, 1)
    green = 220 - 180 * y / max(height - 1, 1)
    blue = 60 + 120 * (x + y) / max(height + width - 2, 1)
    return np.stack([red, green, blue], -1).round().astype(np.uint8)


PICTURE = picture()
HEIGHT, WIDTH = PICTURE.shape[:2]


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as an EXIF orientation wants them shown, by the table of the EXIF standard."""
    return {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, -1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p),
    }[orientation](pixels)


def over_white(pixels: Pixels, alpha: npt.NDArray[Any]) -> Pixels:
    share = alpha[..., None] / 255
    return (pixels * share + 255 * (1 - share)).round().astype(np.uint8)


def exif(orientation: int, *, order: str = "<", tag: int = 0x0112, kind: int = 3) -> bytes:
    """A TIFF of one directory with one entry."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", tag, kind, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


# PNG


def chunk(name: bytes, content: bytes = b"", *, crc: int | None = None) -> bytes:
    right = zlib.crc32(name + content)
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", right if crc is None else crc)
    )


def ihdr(
    width: int, height: int, depth: int = 8, colour: int = 2, *rest: int, crc: int | None = None
) -> bytes:
    tail = bytes(rest or (0, 0, 0))
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + tail, crc=crc)


def scanlines(rows: npt.NDArray[Any], depth: int = 8) -> bytes:
    """Samples `[height, width, channels]` as unfiltered rows."""
    height = rows.shape[0]
    flat = rows.reshape(height, -1)
    if depth == 16:
        packed = flat.astype(">u2").view(np.uint8)
    elif depth == 8:
        packed = flat.astype(np.uint8)
    else:
        bits = (flat[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    return np.hstack([np.zeros((height, 1), np.uint8), packed]).tobytes()


def idat(rows: npt.NDArray[Any], depth: int = 8) -> bytes:
    return chunk(b"IDAT", zlib.compress(scanlines(rows, depth)))


def png(
    rows: npt.NDArray[Any],
    *,
    depth: int = 8,
    colour: int = 2,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG of these samples, with chunks before and after its data."""
    height, width = rows.shape[:2]
    head = SIGNATURE + ihdr(width, height, depth, colour)
    return head + before + idat(rows, depth) + after + chunk(b"IEND")


def interlaced(pixels: Pixels) -> bytes:
    """An RGB PNG in the seven passes of Adam7."""
    height, width = pixels.shape[:2]
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    passes = [pixels[y::dy, x::dx] for y, x, dy, dx in (*starts, (1, 0, 2, 1))]
    data = b"".join(scanlines(part) for part in passes if part.size)
    head = SIGNATURE + ihdr(width, height, 8, 2, 0, 0, 1)
    return head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND")


@lru_cache
def deflated_zeros(count: int) -> bytes:
    """So many zero bytes, compressed about a thousandfold, without holding them."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    parts = [packer.compress(block) for _ in range(count // len(block))]
    return b"".join((*parts, packer.compress(bytes(count % len(block))), packer.flush()))


# Through Pillow's writers, where only the content matters


def saved(pixels: npt.NDArray[Any], form: str, mode: str | None = None, **settings: Any) -> bytes:
    image = Pil.fromarray(pixels)
    out = io.BytesIO()
    (image.convert(mode) if mode else image).save(out, form, **settings)
    return out.getvalue()


def shown(data: bytes) -> Pixels:
    """What Pillow shows of a clean file: the truth for a lossy one."""
    with Pil.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


# JPEG


def jpeg(pixels: Pixels = PICTURE, **settings: Any) -> bytes:
    return saved(pixels, "JPEG", **{"quality": 95, "subsampling": 0, **settings})


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments right behind its start."""
    return data[:2] + b"".join(segments) + data[2:]


def reframed(
    data: bytes,
    *,
    height: int | None = None,
    width: int | None = None,
    bits: int = 8,
    marker: int | None = None,
) -> bytes:
    """A JPEG whose frame header says something else."""
    at = next(data.index(bytes([0xFF, m])) for m in (0xC0, 0xC2) if bytes([0xFF, m]) in data)
    old_height, old_width = struct.unpack_from(">HH", data, at + 5)
    sizes = struct.pack(
        ">HH", old_height if height is None else height, old_width if width is None else width
    )
    kind = data[at + 1] if marker is None else marker
    return (
        data[: at + 1]
        + bytes([kind])
        + data[at + 2 : at + 4]
        + bytes([bits])
        + sizes
        + data[at + 9 :]
    )


# WebP and WAV


def riff(kind: bytes, *chunks: bytes, length: int | None = None) -> bytes:
    body = kind + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def piece(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def webp_stream(data: bytes) -> tuple[bytes, bytes]:
    """Name and content of the bitstream of a simple WebP."""
    name, length = struct.unpack_from("<4sI", data, 12)
    return name, data[20 : 20 + length]


def vp8x(flags: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return piece(b"VP8X", bytes([flags, 0, 0, 0]) + sizes)


# GIF


def gif_frame(
    indices: npt.NDArray[Any], *, left: int = 0, top: int = 0, table: bytes = b""
) -> bytes:
    """One frame of 7-bit indices, stored in codes of 8 bits that never grow."""
    height, width = indices.shape
    packed = 0x80 | 6 if table else 0
    head = b"," + struct.pack("<HHHHB", left, top, width, height, packed) + table
    flat, codes = indices.astype(np.uint8).ravel(), bytearray()
    for start in range(0, len(flat), 100):
        codes += bytes([0x80]) + flat[start : start + 100].tobytes()  # clear, then literals
    codes += bytes([0x81])
    return head + bytes([7]) + blocks(bytes(codes)) + b"\0"


def blocks(data: bytes) -> bytes:
    """Data in blocks of at most 255 bytes, without the empty one that ends them."""
    parts: Sequence[bytes] = [data[i : i + 255] for i in range(0, len(data), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts)


def gif_head(width: int, height: int, table: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80 | 6, 0, 0) + table


def control(*, transparent: int | None = None) -> bytes:
    flags, index = (1, transparent) if transparent is not None else (0, 0)
    return b"!\xf9\x04" + bytes([flags, 0, 0, index]) + b"\0"
