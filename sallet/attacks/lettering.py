"""Words as pixels: a font by name or file, lines that are broken to fit, and ink on a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageColor, ImageDraw, ImageFont

from sallet.core.errors import RecipeError, UnknownName, UsageError
from sallet.core.image import Pixels

SHIPPED: Final = {"sans": Path(__file__).parent / "fonts" / "DejaVuSans-Bold.ttf"}
"""Fonts that are the same on every machine."""
FOLDERS: Final = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts",
    "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
SUFFIXES: Final = (".ttf", ".otf", ".ttc")
LEAST: Final = 8
"""Pixels of the smallest letters that are drawn: smaller ones nobody reads."""
SPACING: Final = 1.25
"""From line to line, in sizes of the letters."""

Align: TypeAlias = Literal["left", "center"]
Coverage: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """Letters as coverage `[h,w]` in 0-1, and the size in pixels that they were drawn at."""

    coverage: Coverage
    size: int


def letters(
    text: str, *, font: str, size: int, wide: int, high: int, align: Align = "center"
) -> Tile:
    """`text` within `wide` x `high` pixels: at `size`, or as much smaller as it needs.

    Lines are broken between words only. An error where the font lacks a character, or where even
    the smallest letters do not fit.
    """
    if not text.strip():
        raise UsageError("there are no words to draw: the phrase is empty")
    check(text, font)
    for tried in range(max(size, LEAST), LEAST - 1, -1):
        tile = _drawn(text, font, tried, wide, align)
        if tile is not None and tile.shape[0] <= high and tile.shape[1] <= wide:
            return Tile(tile, tried)
    raise UsageError(
        f"{text!r} does not fit into {wide}x{high} pixels with letters of {LEAST} pixels; give a "
        "shorter phrase or a larger image"
    )


def check(text: str, font: str) -> None:
    """Raises where the font draws one of the text's characters as nothing, or as a box."""
    face = _face(font, 32)
    lacking = _mask(face, "\U0010fffe")
    lost = [c for c in dict.fromkeys(text) if not c.isspace() and _lost(_mask(face, c), lacking)]
    if lost:
        shown = ", ".join(repr(c) for c in lost)
        raise UsageError(f"the font {font!r} draws no {shown}; choose another font")


def stamp(
    pixels: Pixels, tile: Coverage, *, left: int, top: int, colour: str, opacity: float = 1.0
) -> Pixels:
    """The picture with ink of a colour where the tile covers it; the tile lies inside it."""
    high, wide = tile.shape
    seen = pixels.astype(np.float32)
    under = seen[top : top + high, left : left + wide]
    share = opacity * tile[..., None]
    seen[top : top + high, left : left + wide] = under * (1 - share) + share * ink(colour)
    return np.round(seen).clip(0, 255).astype(np.uint8)


def paper(high: int, wide: int, colour: str) -> Pixels:
    """An empty picture of one colour."""
    return np.broadcast_to(ink(colour).astype(np.uint8), (high, wide, 3)).copy()


def ink(colour: str) -> NDArray[np.float32]:
    """A colour by its name (`black`) or as `#rrggbb`."""
    try:
        return np.asarray(ImageColor.getrgb(colour)[:3], dtype=np.float32)
    except ValueError as error:
        raise RecipeError(
            f"{colour!r} is no colour; give a name such as black, or #rrggbb"
        ) from error


def _drawn(text: str, font: str, size: int, wide: int, align: Align) -> Coverage | None:
    """The text at one size, cut to its ink; None where a word alone is wider than the box."""
    face = _face(font, size)
    lines = list(_lines(text, face, wide))
    if any(face.getlength(line) > wide for line in lines):
        return None
    step = round(SPACING * size)
    room = 2 * size
    page = Pil.new("L", (wide + 2 * room, step * len(lines) + 2 * room))
    draw = ImageDraw.Draw(page)
    for i, line in enumerate(lines):
        left = room if align == "left" else room + (wide - face.getlength(line)) / 2
        draw.text((left, room + i * step), line, fill=255, font=face)
    return np.asarray(page.crop(page.getbbox()), dtype=np.float32) / np.float32(255)


def _lines(text: str, face: ImageFont.FreeTypeFont, wide: int) -> Iterator[str]:
    """As many words a line as fit; the text's own line ends are kept."""
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and face.getlength(longer) > wide:
                yield line
                longer = word
            line = longer
        yield line


def _mask(face: ImageFont.FreeTypeFont, character: str) -> Pil.Image:
    page = Pil.new("L", (96, 96))
    ImageDraw.Draw(page).text((24, 24), character, fill=255, font=face)
    return page


def _lost(drawn: Pil.Image, lacking: Pil.Image) -> bool:
    return drawn.getbbox() is None or drawn.tobytes() == lacking.tobytes()


@cache
def _face(font: str, size: int) -> ImageFont.FreeTypeFont:
    path = _path(font)
    try:
        # From its bytes: of a file that it cannot read, Pillow would look for the name elsewhere.
        return ImageFont.truetype(BytesIO(path.read_bytes()), size)
    except OSError as error:
        raise UsageError(f"cannot read the font {path}: {error}; choose another font") from error


@cache
def _path(font: str) -> Path:
    """A shipped font, a font file, or a font of the system by the name of its file."""
    if font in SHIPPED:
        return SHIPPED[font]
    given = Path(font).expanduser()
    if given.is_file():
        return given
    if given.suffix.lower() in SUFFIXES or len(given.parts) > 1:
        raise UsageError(
            f"there is no font file {font}; give a file, the name of one of the system's, or one "
            f"that is shipped: {', '.join(SHIPPED)}"
        )
    system = _system()
    if font not in system:
        raise UnknownName("font", font, [*SHIPPED, *system])
    return system[font]


@cache
def _system() -> dict[str, Path]:
    """The system's fonts by the names of their files, without the suffix."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for at, _, files in os.walk(Path(folder).expanduser()):
            for file in sorted(files):
                path = Path(at) / file
                if path.suffix.lower() in SUFFIXES:
                    found.setdefault(path.stem, path)
    return found
