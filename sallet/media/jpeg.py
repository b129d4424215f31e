"""JPEG, segment by segment.

Guaranteed of what is returned: one frame of 8 bits and 1, 3 or 4 components, baseline, extended or
progressive, Huffman-coded; an end marker where the data end; and at least as many bits of data as
so many blocks need. What is kept is tables, frame, scans and the two markers that say how colours
are stored.
"""

from __future__ import annotations

import re
import struct

from sallet.core.errors import Broken, UnknownFormat
from sallet.media.flags import Flag
from sallet.media.header import MOST_PIECES, Header, Piece, require, turned

MAGIC = b"\xff\xd8\xff"
MOST_SCANS = 100  # a progressive file has about ten; each one is a pass over the whole image

_EOI, _SOS = 0xD9, 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2)
# Lossless, hierarchical and arithmetic-coded ones, and what announces them.
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF, 0xDE)
_TABLES = (0xC4, 0xDB, 0xDD)
_COLOURS = ((0xE0, b"JFIF\0"), (0xEE, b"Adobe"))
_PROGRESSIVE = 0xC2
_COMMENT = 0xFE
# A decoder that meets the end marker too early fills up with grey and says nothing; one that meets
# no end asks for more data, and is refused them. These bytes only let it look ahead.
_NO_END = bytes(8)
# In the data, 0xff is followed by 0 (a stuffed byte), a restart marker, or more padding.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def read(data: bytes) -> Header:
    """The header of a JPEG, and the segments that make its pixels."""
    view = memoryview(data)
    pieces: list[Piece] = [view[:2]]
    flags: set[Flag] = set()
    frame: _Frame | None = None
    exif: bytes | None = None
    position = 2
    for _ in range(MOST_PIECES):
        marker, position = _marker(data, position)
        end = _end(data, position)
        content = view[position + 2 : end]
        kept = marker in _TABLES
        if marker in _FRAMES:
            require(frame is None)
            frame, kept = _Frame(marker, bytes(content)), True
        elif marker in _OTHER_FRAMES:
            raise UnknownFormat
        elif (marker, bytes(content[:5])) in _COLOURS:
            kept = True
        elif marker == 0xE1 and bytes(content[:6]) == b"Exif\0\0":
            exif = exif or bytes(content)
        elif marker == 0xE2 and bytes(content[:12]) == b"ICC_PROFILE\0":
            flags.add("icc")
        elif 0xE0 <= marker <= 0xEF or marker == _COMMENT:
            flags.add("metadata")
        elif marker == _SOS:
            require(frame is not None)
            break
        else:
            require(kept)
        if kept:
            pieces.append(view[position - 2 : end])
        position = end
    else:
        raise Broken
    assert frame is not None
    scans, stop = _scans(data, position)
    # In a sequential file every component comes once.
    require(frame.progressive or sum(scans) == frame.inks)
    if len(scans) == 1 and not frame.progressive:
        pieces += [view[position - 2 : stop - 2], _NO_END]
    else:
        pieces.append(view[position - 2 : stop])
    if stop < len(data):
        flags.add("trailing-bytes")
    if frame.inks == 4:
        flags.add("cmyk")
    return Header(
        "jpeg",
        frame.width,
        frame.height,
        pieces,
        orientation=turned(exif, flags),
        flags=frozenset(flags),
        plausible=(stop - position) * 8 >= frame.least_bits(),
    )


class _Frame:
    """The frame header: size, components and how each is sampled."""

    def __init__(self, marker: int, content: bytes) -> None:
        bits, self.height, self.width, self.inks = struct.unpack_from(">BHHB", content)
        if bits != 8 or self.inks not in (1, 3, 4):
            raise UnknownFormat
        require(self.width > 0 and self.height > 0 and len(content) == 6 + 3 * self.inks)
        self.progressive = marker == _PROGRESSIVE
        self.samplings = [divmod(factors, 16) for factors in content[7::3]]
        require(all(1 <= x <= 4 and 1 <= y <= 4 for x, y in self.samplings))

    def least_bits(self) -> int:
        """No encoder needs fewer: a block takes a bit for its mean, and one for all the rest.

        A progressive file may leave the rest out.
        """
        across, down = (max(factors) for factors in zip(*self.samplings, strict=True))
        blocks = sum(
            _up(_up(self.width * x, across), 8) * _up(_up(self.height * y, down), 8)
            for x, y in self.samplings
        )
        return blocks if self.progressive else 2 * blocks


def _up(whole: int, part: int) -> int:
    return -(-whole // part)


def _marker(data: bytes, position: int) -> tuple[int, int]:
    """The marker that stands at `position`, maybe padded, and where it ends."""
    require(data[position] == 0xFF)
    while data[position] == 0xFF:
        position += 1
    return data[position], position + 1


def _end(data: bytes, position: int) -> int:
    """Where the segment ends whose length stands at `position`."""
    (length,) = struct.unpack_from(">H", data, position)
    require(length >= 2 and position + length <= len(data))
    return position + length


def _scans(data: bytes, position: int) -> tuple[list[int], int]:
    """How many components each scan has, and where the end marker behind the last one ends.

    The length of the first scan's header stands at `position`.
    """
    marker = _SOS
    scans: list[int] = []
    for _ in range(MOST_PIECES):
        if marker == _SOS:
            scans.append(data[position + 2])
            require(len(scans) <= MOST_SCANS)
        found = _MARKER.search(data, _end(data, position))
        if found is None:
            break
        marker, position = data[found.start() + 1], found.end()
        if marker == _EOI:
            return scans, position
        require(marker == _SOS or marker in _TABLES or marker >= 0xE0)
    raise Broken
