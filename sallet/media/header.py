"""What a file says of itself before anything is decoded, and which of its bytes are pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sallet.core.errors import Broken
from sallet.media import exif
from sallet.media.flags import Flag

Format: TypeAlias = Literal["png", "jpeg", "webp", "gif"]
Piece: TypeAlias = bytes | memoryview

MOST_PIECES = 20_000  # chunks, segments or blocks; an honest file of the largest size has 10,000


@dataclass(frozen=True)
class Header:
    """A container that is whole, as its reader found it.

    `pieces` are what a decoder needs, and nothing else: no text, no profile, no EXIF, no later
    frame, nothing behind the end. Width and height are as stored, before `orientation`.

    `plausible` is False where the data are too short for an image of that size, whatever it shows.
    `whole` is asked after decoding, with whether the last row came out empty, where a decoder does
    not tell that rows are missing.
    """

    format: Format
    width: int
    height: int
    pieces: Sequence[Piece] = field(repr=False)
    flags: frozenset[Flag] = frozenset()
    orientation: int = exif.UPRIGHT
    plausible: bool = True
    whole: Callable[[bool], bool] = lambda _: True

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, upright."""
        if self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width

    def stripped(self) -> bytes:
        """The file again, of what a decoder needs alone."""
        return b"".join(self.pieces)


def turned(data: bytes | None, flags: set[Flag]) -> int:
    """The orientation in the EXIF of a file, if it has any; notes what was found."""
    if data is None:
        return exif.UPRIGHT
    flags.add("metadata")
    found = exif.orientation(data)
    if found is None:
        flags.add("bad-exif")
        return exif.UPRIGHT
    if found != exif.UPRIGHT:
        flags.add("rotated")
    return found


def require(held: bool) -> None:
    """Refuses the file as broken unless `held`."""
    if not held:
        raise Broken
