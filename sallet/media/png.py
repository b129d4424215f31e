"""PNG, chunk by chunk.

Guaranteed of what is returned: every chunk that is kept has the right checksum, the data chunks
stand together, the end chunk is there, and the compressed data could fill the image. A critical
chunk that nobody knows refuses the file, as the specification asks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from sallet.core.errors import Broken
from sallet.media.flags import Flag
from sallet.media.header import MOST_PIECES, Header, Piece, require, turned

MAGIC = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
_MOST_INFLATED = 1032  # bytes that one byte of deflate can stand for
_BLOCK = 2**20
# Where each pass of an interlaced image starts, and its steps: y, x, dy, dx.
_ADAM7 = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
)  # fmt: skip
_PLAIN = (b"cHRM", b"sRGB", b"pHYs", b"sBIT", b"bKGD", b"hIST", b"tIME", b"fcTL", b"fdAT")
_SRGB_GAMMA = range(43_000, 48_000)  # 45455, and how programs round it


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    content: memoryview
    whole: memoryview
    end: int

    @property
    def intact(self) -> bool:
        (checksum,) = struct.unpack(">I", self.whole[-4:])
        return zlib.crc32(self.whole[4:-4]) == checksum

    @property
    def critical(self) -> bool:
        return not self.name[0] & 0x20


def read(data: bytes) -> Header:
    """The header of a PNG, and the chunks that make its pixels."""
    chunks = _chunks(data)
    head = next(chunks)
    require(head.name == b"IHDR" and head.intact and len(head.content) == 13)
    width, height, depth, colour, method, filters, interlace = struct.unpack(
        ">IIBBBBB", head.content
    )
    require(width > 0 and height > 0 and depth in _DEPTHS.get(colour, ()))
    require((method, filters) == (0, 0) and interlace in (0, 1))

    flags: set[Flag] = {"16-bit"} if depth == 16 else set()
    before: list[bytes | memoryview] = []
    pixels: list[memoryview] = []
    entries, exif, last = 0, None, head
    for piece in chunks:
        if piece.name == b"IDAT":
            require(piece.intact and (not pixels or last.name == b"IDAT"))
            pixels.append(piece.whole)
        elif piece.name == b"PLTE":
            require(piece.intact and not pixels and not entries)
            entries, rest = divmod(len(piece.content), 3)
            require(rest == 0 and 1 <= entries <= 256)
            if colour == PALETTE:
                before.append(piece.whole)
        elif piece.name == b"tRNS":
            require(piece.intact and not pixels)
            before.extend(_transparency(piece, depth, colour, entries, flags))
        elif piece.name == b"eXIf":
            exif = exif or (bytes(piece.content) if piece.intact else b"")
        elif piece.name == b"IEND":
            require(piece.intact)
        else:
            require(not piece.critical)
            flags |= _ancillary(piece)
        last = piece
    require(bool(pixels) and (colour != PALETTE or entries > 0))
    least = _raw_bytes(width, height, depth * _CHANNELS[colour], interlace)
    if last.end < len(data):
        flags.add("trailing-bytes")
    return Header(
        "png",
        width,
        height,
        (MAGIC, head.whole, *before, *pixels, last.whole),
        orientation=turned(exif, flags),
        flags=frozenset(flags),
        plausible=sum(map(len, pixels)) * _MOST_INFLATED >= least,
        # A row that is missing shows as an empty one; where rows come in passes, it may be any.
        whole=lambda empty: not (empty or interlace) or _inflates_to(pixels, least),
    )


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    checksum = zlib.crc32(content, zlib.crc32(name))
    length = struct.pack(">I", len(content))
    return b"".join((length, name, content, struct.pack(">I", checksum)))


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Every chunk to the end chunk, which is the last one."""
    view, position = memoryview(data), len(MAGIC)
    for _ in range(MOST_PIECES):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        require(end <= len(data))
        yield _Chunk(name, view[position + 8 : end - 4], view[position:end], end)
        if name == b"IEND":
            return
        position = end
    raise Broken


def _raw_bytes(width: int, height: int, bits: int, interlace: int) -> int:
    """How long the data are before compression: rows, each with a byte that names its filter."""
    if not interlace:
        return height * (1 + (width * bits + 7) // 8)
    passes = [(-(-(height - y) // dy), -(-(width - x) // dx)) for y, x, dy, dx in _ADAM7]
    return sum(h * (1 + (w * bits + 7) // 8) for h, w in passes if h > 0 and w > 0)


def _inflates_to(chunks: list[memoryview], least: int) -> bool:
    """Whether the data chunks hold so many bytes; never more than a block is kept."""
    inflater, total = zlib.decompressobj(), 0
    for piece in chunks:
        rest: Piece = piece[8:-4]
        while rest and not inflater.eof:
            total += len(inflater.decompress(rest, _BLOCK))
            rest = inflater.unconsumed_tail
        if total >= least:
            return True
    return total >= least


def _transparency(
    piece: _Chunk, depth: int, colour: int, entries: int, flags: set[Flag]
) -> list[bytes]:
    """The transparency chunk in the units of the samples as they are decoded."""
    if colour == PALETTE:
        require(0 < len(piece.content) <= entries)
        return [bytes(piece.whole)]
    if colour not in (GREY, RGB):
        return []
    count = 1 if colour == GREY else 3
    key = struct.unpack(f">{count}H", piece.content)
    if depth == 16:
        # The key is compared at 16 bits, and only 8 are decoded: nothing is made transparent, and
        # because a viewer would see something else the file is flagged.
        flags |= {"alpha", "alpha-hides"}
        return []
    if max(key) >= 1 << depth:
        return []
    spread = 255 // ((1 << depth) - 1)
    return [chunk(b"tRNS", struct.pack(f">{count}H", *(value * spread for value in key)))]


def _ancillary(piece: _Chunk) -> set[Flag]:
    """What is found in a chunk that is dropped."""
    if piece.name in (b"iCCP", b"cICP"):
        return {"icc"}
    if piece.name == b"gAMA":
        honest = len(piece.content) == 4 and int.from_bytes(piece.content, "big") in _SRGB_GAMMA
        return set() if honest else {"icc"}
    if piece.name == b"acTL":
        return {"animated"}
    return set() if piece.name in _PLAIN else {"metadata"}
