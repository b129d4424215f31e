"""WebP, chunk by chunk.

Guaranteed of what is returned: the container is as long as it says, its canvas and its bitstream
agree on a size, and of an animation only the first frame is kept.
"""

from __future__ import annotations

import struct

from sallet.core.errors import UnknownFormat
from sallet.media import riff
from sallet.media.flags import Flag
from sallet.media.header import Header, Piece, require, turned

KIND = b"WEBP"
_ALPHA, _ANIMATION = 0x10, 0x02
_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")


def read(data: bytes) -> Header:
    """The header of a WebP, and the chunks that make its pixels."""
    end = riff.end(data)
    flags: set[Flag] = set() if end == len(data) else {"trailing-bytes"}
    chunks = riff.chunks(data, end)
    first = next(chunks)
    if first.name != b"VP8X":
        if first.name not in (b"VP8 ", b"VP8L"):
            raise UnknownFormat
        kept: list[Piece] = [first.whole]
        return _header(_size(first), kept, flags)

    require(len(first.content) == 10)
    animated = bool(first.content[0] & _ANIMATION)
    size = _canvas(first.content)
    # Of the flags only those stay whose chunks do.
    settings = bytes([first.content[0] & (_ALPHA | _ANIMATION)])
    kept = [first.whole[:8], settings, first.content[1:]]
    exif: bytes | None = None
    images, agreed = 0, True
    for chunk in chunks:
        if chunk.name in (b"VP8 ", b"VP8L"):
            require(not animated and not images)
            agreed = _size(chunk) == size
            images += 1
        elif chunk.name == b"ANMF":
            require(animated)
            images += 1
            if images > 1:
                flags.add("animated")
                continue
        elif chunk.name == b"ALPH":
            require(not animated and not images)
        elif chunk.name == b"EXIF":
            exif = exif or bytes(chunk.content)
        elif chunk.name == b"ICCP":
            flags.add("icc")
        elif chunk.name != b"ANIM":
            flags.add("metadata")
        if chunk.name in _PIXELS:
            kept.append(chunk.whole)
    require(images > 0)
    return _header(size, kept, flags, exif, agreed)


def _header(
    size: tuple[int, int],
    kept: list[Piece],
    flags: set[Flag],
    exif: bytes | None = None,
    agreed: bool = True,
) -> Header:
    return Header(
        "webp",
        *size,
        (riff.container(KIND, kept), *kept),
        orientation=turned(exif, flags),
        flags=frozenset(flags),
        plausible=agreed,
    )


def _canvas(content: memoryview) -> tuple[int, int]:
    """Width and height of the canvas, of 24 bits each."""
    return int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1


def _size(chunk: riff.Chunk) -> tuple[int, int]:
    """Width and height that the bitstream itself has."""
    stream = chunk.content
    if chunk.name == b"VP8 ":
        require(len(stream) > 10 and bytes(stream[3:6]) == b"\x9d\x01\x2a")
        width, height = struct.unpack_from("<HH", stream, 6)
        return width & 0x3FFF, height & 0x3FFF
    require(len(stream) > 5 and stream[0] == 0x2F)
    (bits,) = struct.unpack_from("<I", stream, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
