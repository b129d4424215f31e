"""RIFF, the container of WebP and WAV: chunks, each with its length before it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sallet.core.errors import Broken
from sallet.media.header import MOST_PIECES, Piece, require

MAGIC = b"RIFF"


class Chunk(NamedTuple):
    """A chunk: its name, its content, and its bytes as they stand in the file."""

    name: bytes
    content: memoryview
    whole: memoryview


def end(data: bytes) -> int:
    """Where the container ends by its own word; it may not be cut off before."""
    (length,) = struct.unpack_from("<I", data, 4)
    require(8 + length <= len(data))
    return 8 + length


def chunks(data: bytes, stop: int) -> Iterator[Chunk]:
    """Every chunk up to `stop`, each of them whole."""
    view, position = memoryview(data), 12
    for _ in range(MOST_PIECES):
        if position == stop:
            return
        name, length = struct.unpack_from("<4sI", data, position)
        behind = position + 8 + length
        # The last chunk of many a WAV lacks the byte that makes its length even.
        padded = min(behind + length % 2, max(behind, stop))
        require(padded <= stop)
        yield Chunk(name, view[position + 8 : behind], view[position:padded])
        position = padded
    raise Broken


def container(kind: bytes, pieces: Sequence[Piece]) -> bytes:
    """The first bytes of a container of these chunks."""
    return MAGIC + struct.pack("<I", 4 + sum(map(len, pieces))) + kind
