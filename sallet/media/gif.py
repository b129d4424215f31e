"""GIF, block by block, to the end of its first frame.

Guaranteed of what is returned: the first frame's blocks are all there, and the file goes on to an
end mark or to another frame. Nothing of any later frame is looked at.
"""

from __future__ import annotations

import struct

from sallet.core.errors import Broken
from sallet.media.flags import Flag
from sallet.media.header import MOST_PIECES, Header, Piece, require

MAGIC = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_MOST_BLOCKS = 10 * MOST_PIECES  # of at most 255 bytes


def read(data: bytes) -> Header:
    """The header of a GIF, and the blocks that make its first frame."""
    view = memoryview(data)
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    position = 13 + _colours(packed)
    start: Piece = view[:position]
    control: Piece = b""
    flags: set[Flag] = set()
    for _ in range(MOST_PIECES):
        if data[position] == _IMAGE:
            break
        require(data[position] == _EXTENSION)
        end = _blocks(data, position + 2)
        if data[position + 1] == _CONTROL:
            control = view[position:end]
        else:
            _note(data, position, flags)
        position = end
    else:
        raise Broken
    left, top, across, down, packed = struct.unpack_from("<HHHHB", data, position + 1)
    end = _blocks(data, position + 11 + _colours(packed))
    frame = view[position:end]
    _note_rest(data, end, flags)
    return Header(
        "gif",
        # A frame may reach beyond the canvas; decoders make room for it.
        max(width, left + across),
        max(height, top + down),
        (start, control, frame, bytes([_END])),
        flags=frozenset(flags),
    )


def _colours(packed: int) -> int:
    """The length of the colour table that these bits announce."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _blocks(data: bytes, position: int) -> int:
    """Behind a row of blocks, each with its length before it, that ends with an empty one."""
    for _ in range(_MOST_BLOCKS):
        length = data[position]
        position += 1 + length
        if length == 0:
            return position
    raise Broken


def _note_rest(data: bytes, position: int, flags: set[Flag]) -> None:
    """What follows the first frame: it must be something, or the file was cut off."""
    for _ in range(MOST_PIECES):
        if data[position] == _IMAGE:
            flags.add("animated")
            return
        if data[position] == _END:
            if position + 1 < len(data):
                flags.add("trailing-bytes")
            return
        require(data[position] == _EXTENSION)
        if data[position + 1] != _CONTROL:
            _note(data, position, flags)
        position = _blocks(data, position + 2)
    raise Broken


def _note(data: bytes, position: int, flags: set[Flag]) -> None:
    """An extension that is dropped; how often an animation repeats is not worth a word."""
    application = data[position + 1] == _APPLICATION
    if not (application and data[position + 3 : position + 14] in _LOOPS):
        flags.add("metadata")
