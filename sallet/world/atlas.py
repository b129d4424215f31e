"""The atlas: every pictogram and letter as pixels, so that nobody needs the fonts.

``sprites.png`` holds the nouns row by row (RGBA, from Noto Color Emoji) and
``letters.png`` one row of a-z per font (coverage only). ``build`` makes both
again from installed fonts; the licences of the fonts lie beside the images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sallet.core.errors import SalletError
from sallet.world.nouns import NOUNS, PICTOGRAMS

DATA: Final = Path(__file__).parent / "data"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
SPRITE: Final = 72
GLYPH: Final = (40, 56)
COLUMNS: Final = 10
EMOJI_FONT: Final = "truetype/noto/NotoColorEmoji.ttf"
LETTER_FONTS: Final[Mapping[str, str]] = {
    "sans": "truetype/dejavu/DejaVuSans-Bold.ttf",
    "serif": "truetype/liberation2/LiberationSerif-Bold.ttf",
    "mono": "truetype/liberation2/LiberationMono-Bold.ttf",
}
FONTS: Final[tuple[str, ...]] = tuple(LETTER_FONTS)


class AtlasError(SalletError):
    """The atlas cannot be read, or a font cannot give what the atlas needs."""


@cache
def _sheet(name: str) -> Image.Image:
    path = DATA / name
    if not path.is_file():
        raise AtlasError(
            f"expected the atlas image {path}; build it again with sallet.world.atlas.build"
        )
    with Image.open(path) as image:
        return image.copy()


@cache
def sprite(noun: str, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A noun at a size: colour times coverage ``[s,s,3]`` in 0-255, and coverage ``[s,s,1]``."""
    row, column = divmod(NOUNS.index(noun), COLUMNS)
    box = (column * SPRITE, row * SPRITE, (column + 1) * SPRITE, (row + 1) * SPRITE)
    tile = _sheet("sprites.png").crop(box).resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(tile, dtype=np.float32)
    alpha = (pixels[..., 3:] / 255).astype(np.float32)
    return (pixels[..., :3] * alpha).astype(np.float32), alpha


@cache
def letter(character: str, font: str, height: int) -> NDArray[np.float32]:
    """The coverage of one letter in a cell of the given height: ``[h,w,1]`` in 0-1."""
    wide, high = GLYPH
    x, y = LETTERS.index(character) * wide, FONTS.index(font) * high
    tile = _sheet("letters.png").crop((x, y, x + wide, y + high))
    tile = tile.resize((round(height * wide / high), height), Image.Resampling.BILINEAR)
    return np.asarray(tile, dtype=np.float32)[..., None] / np.float32(255)


def build(fonts: Path = Path("/usr/share/fonts"), out: Path = DATA) -> None:
    """Render both sheets from installed fonts; fails naming the glyph that a font lacks."""
    out.mkdir(parents=True, exist_ok=True)
    emoji = _font(fonts / EMOJI_FONT, 109)
    rows = -(-len(NOUNS) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * SPRITE, rows * SPRITE))
    for i, noun in enumerate(NOUNS):
        row, column = divmod(i, COLUMNS)
        sheet.paste(_pictogram(emoji, noun), (column * SPRITE, row * SPRITE))
    sheet.save(out / "sprites.png", optimize=True)
    wide, high = GLYPH
    text = Image.new("L", (len(LETTERS) * wide, len(FONTS) * high))
    for r, name in enumerate(FONTS):
        font = _font(fonts / LETTER_FONTS[name], 48)
        for c, character in enumerate(LETTERS):
            text.paste(_glyph(font, character), (c * wide, r * high))
    text.save(out / "letters.png", optimize=True)
    sources = {
        "sprites": Path(EMOJI_FONT).name,
        "letters": {k: Path(v).name for k, v in LETTER_FONTS.items()},
    }
    facts = {
        "sprite": SPRITE,
        "columns": COLUMNS,
        "nouns": PICTOGRAMS,
        "glyph": GLYPH,
        "fonts": FONTS,
    }
    (out / "atlas.json").write_text(
        json.dumps({**facts, "sources": sources}, ensure_ascii=False, indent=1) + "\n"
    )


def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    if not path.is_file():  # Pillow would look for its name elsewhere
        raise AtlasError(f"expected a font at {path}; install it or pass the fonts folder")
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as error:
        raise AtlasError(f"expected a readable font at {path} ({error})") from error


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    """One letter on the shared baseline, squeezed if it is wider than its cell."""
    wide, high = GLYPH
    full = max(wide, int(font.getlength(character)) + 4)
    tile = Image.new("L", (full, high))
    ImageDraw.Draw(tile).text((full // 2, 41), character, 255, font, anchor="ms")
    return tile.resize((wide, high), Image.Resampling.BILINEAR)


def _pictogram(font: ImageFont.FreeTypeFont, noun: str) -> Image.Image:
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((8, 8), PICTOGRAMS[noun], font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None or len(canvas.crop(box).getcolors(160 * 160) or []) < 8:
        what = f"{noun!r} ({PICTOGRAMS[noun]})"
        raise AtlasError(f"the font draws no pictogram for {what}; use Noto Color Emoji")
    tile = canvas.crop(box)
    tile.thumbnail((SPRITE - 2, SPRITE - 2), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SPRITE, SPRITE))
    square.paste(tile, ((SPRITE - tile.width) // 2, (SPRITE - tile.height) // 2))
    return square
