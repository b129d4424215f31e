"""WebP files, hostile and odd."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from sallet.core.errors import Broken, Mismatch, TooManyPixels, TooMuchMemory, UnknownFormat
from tests.media.corpus.build import (
    HEIGHT,
    PICTURE,
    SECRET,
    WIDTH,
    exif,
    over_white,
    piece,
    riff,
    saved,
    shown,
    turned,
    vp8x,
    webp_stream,
)
from tests.media.corpus.entry import Entry, refused, repaired

LOSSLESS = saved(PICTURE, "WEBP", lossless=True)
LOSSY = saved(PICTURE, "WEBP", quality=90)
STREAM = piece(*webp_stream(LOSSLESS))
OTHER = piece(*webp_stream(saved(255 - PICTURE, "WEBP", lossless=True)))
ICC, ALPHA, EXIF, XMP, ANIMATED = 0x20, 0x10, 0x08, 0x04, 0x02


def frame(stream: bytes, *, left: int = 0, top: int = 0) -> bytes:
    """A frame of an animation, as large as the picture."""
    fields = (left // 2, top // 2, WIDTH - 1, HEIGHT - 1, 100)
    head = b"".join(value.to_bytes(3, "little") for value in fields) + b"\0"
    return piece(b"ANMF", head + stream)


def entries() -> Iterator[Entry]:
    yield repaired("webp-lossless", LOSSLESS, PICTURE)
    yield repaired("webp-lossy", LOSSY, shown(LOSSY))
    yield repaired("webp-said-rightly", LOSSLESS, PICTURE, claimed="image/webp")
    yield refused("webp-said-to-be-gif", LOSSLESS, Mismatch, claimed="image/gif")
    yield from transparent()
    yield from beside()
    yield from moving()
    yield from damaged()


def transparent() -> Iterator[Entry]:
    seen = ("alpha", "alpha-hides")
    message = np.zeros((HEIGHT, WIDTH), np.uint8)
    message[4:9, 3:20] = 255
    layers = np.dstack([PICTURE, message])
    data = saved(layers, "WEBP", lossless=True, exact=True)
    yield repaired("webp-alpha-message", data, over_white(PICTURE, message), *seen)
    data = saved(layers, "WEBP", quality=95)
    yield repaired("webp-alpha-lossy", data, over_white(PICTURE, message), *seen, tolerance=40)
    opaque = saved(np.dstack([PICTURE, np.full_like(message, 255)]), "WEBP", lossless=True)
    yield repaired("webp-alpha-opaque", opaque, PICTURE)


def beside() -> Iterator[Entry]:
    for way in range(1, 9):
        data = riff(b"WEBP", vp8x(EXIF), STREAM, piece(b"EXIF", exif(way)))
        found = ("metadata",) if way == 1 else ("metadata", "rotated")
        yield repaired(f"webp-exif-{way}", data, turned(PICTURE, way), *found)
    prefixed = riff(b"WEBP", vp8x(EXIF), STREAM, piece(b"EXIF", b"Exif\0\0" + exif(8)))
    yield repaired("webp-exif-prefix", prefixed, turned(PICTURE, 8), "metadata", "rotated")
    broken = riff(b"WEBP", vp8x(EXIF), STREAM, piece(b"EXIF", SECRET))
    yield repaired("webp-exif-garbage", broken, PICTURE, "metadata", "bad-exif")
    xmp = riff(b"WEBP", vp8x(XMP), STREAM, piece(b"XMP ", SECRET))
    yield repaired("webp-xmp-script", xmp, PICTURE, "metadata")
    icc = riff(b"WEBP", vp8x(ICC), piece(b"ICCP", SECRET), STREAM)
    yield repaired("webp-icc", icc, PICTURE, "icc")
    unknown = riff(b"WEBP", vp8x(0), piece(b"EVIL", SECRET), STREAM)
    yield repaired("webp-unknown-chunk", unknown, PICTURE, "metadata")
    yield repaired("webp-and-zip", LOSSLESS + b"PK\x03\x04", PICTURE, "trailing-bytes")


def moving() -> Iterator[Entry]:
    ring = piece(b"ANIM", bytes(6))
    two = riff(b"WEBP", vp8x(ANIMATED), ring, frame(STREAM), frame(OTHER))
    yield repaired("webp-animated", two, PICTURE, "animated")
    one = riff(b"WEBP", vp8x(ANIMATED), ring, frame(STREAM))
    yield repaired("webp-one-frame", one, PICTURE)
    many = riff(b"WEBP", vp8x(ANIMATED), ring, frame(STREAM), *[frame(OTHER)] * 500)
    yield repaired("webp-500-frames", many, PICTURE, "animated")
    late = riff(b"WEBP", vp8x(ANIMATED), ring, frame(STREAM), frame(SECRET))
    yield repaired("webp-second-frame-broken", late, PICTURE, "animated")
    none = riff(b"WEBP", vp8x(ANIMATED), ring)
    yield refused("webp-no-frame", none, Broken)
    outside = riff(b"WEBP", vp8x(ANIMATED), ring, frame(STREAM, left=20))
    yield refused("webp-frame-outside", outside, Broken)
    still = riff(b"WEBP", vp8x(ANIMATED), ring, STREAM)
    yield refused("webp-animated-and-still", still, Broken)


def damaged() -> Iterator[Entry]:
    yield refused("webp-cut-at-8", LOSSLESS[:8], UnknownFormat)
    for end in (12, 18, 25, len(LOSSLESS) // 2, len(LOSSLESS) - 1):
        yield refused(f"webp-cut-at-{end}", LOSSLESS[:end], Broken)
    name, stream = webp_stream(LOSSLESS)
    yield refused(
        "webp-half-stream", riff(b"WEBP", piece(name, stream[: len(stream) // 2])), Broken
    )
    name, lossy = webp_stream(LOSSY)
    yield refused("webp-half-lossy", riff(b"WEBP", piece(name, lossy[: len(lossy) // 2])), Broken)
    yield refused("webp-length-lies", riff(b"WEBP", STREAM, length=2**32 - 1), Broken)
    yield refused("webp-length-short", riff(b"WEBP", STREAM, length=30), Broken)
    yield refused("webp-length-0", riff(b"WEBP", STREAM, length=0), Broken)
    yield refused("webp-nothing", riff(b"WEBP"), Broken)
    yield refused("webp-other-chunk", riff(b"WEBP", piece(b"EVIL", SECRET)), UnknownFormat)
    yield refused("webp-canvas-lies", riff(b"WEBP", vp8x(0, 400, 300), STREAM), Broken)
    yield refused("webp-canvas-bomb", riff(b"WEBP", vp8x(0, 2**24, 2**24), STREAM), TooManyPixels)
    yield refused("webp-two-images", riff(b"WEBP", vp8x(0), STREAM, OTHER), Broken)
    yield refused("webp-garbage", riff(b"WEBP", piece(b"VP8L", SECRET)), Broken)
    yield refused("webp-garbage-lossy", riff(b"WEBP", piece(b"VP8 ", SECRET)), Broken)
    sizes = struct.pack("<I", 16_382 | 16_382 << 14)
    most = riff(b"WEBP", piece(b"VP8L", b"\x2f" + sizes + stream[5:]))
    yield refused("webp-16383", most, TooManyPixels)
    sizes = struct.pack("<I", 7999 | 7999 << 14)
    large = riff(b"WEBP", piece(b"VP8L", b"\x2f" + sizes + stream[5:]))
    yield refused("webp-64-million", large, TooMuchMemory)
