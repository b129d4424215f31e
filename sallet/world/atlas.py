"""The atlas: every pictogram and letter as pixels, so that nobody needs the fonts.

``sprites.png`` holds the nouns row by row (RGBA, from Noto Color Emoji), ``redrawn.png``
other drawings of some of them, and ``letters.png`` one row of a-z per font
(coverage only). ``build`` makes all of them again from installed fonts; the
licences of the fonts lie beside the images.

The shift split draws every noun otherwise: by its second pictogram where there
is one, else the first one turned, mirrored and painted flat with a dark edge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from sallet.core.errors import SalletError
from sallet.world.nouns import NOUNS, PICTOGRAMS, REDRAWN

DATA: Final = Path(__file__).parent / "data"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
SPRITE: Final = 72
GLYPH: Final = (40, 56)
COLUMNS: Final = 16
EMOJI_FONT: Final = "truetype/noto/NotoColorEmoji.ttf"
LETTER_FONTS: Final[Mapping[str, str]] = {
    "sans": "truetype/dejavu/DejaVuSans-Bold.ttf",
    "serif": "truetype/liberation2/LiberationSerif-Bold.ttf",
    "mono": "truetype/liberation2/LiberationMono-Bold.ttf",
    "slab": "opentype/roboto/slab/RobotoSlab-Bold.otf",
    "lato": "truetype/lato/Lato-Black.ttf",
    "comic": "opentype/comic-neue/ComicNeue-Bold.otf",
}
FONTS: Final[tuple[str, ...]] = ("sans", "serif", "mono", "slab")
SHIFT_FONTS: Final[tuple[str, ...]] = ("lato", "comic")
"""Fonts seen only in the shift split."""


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
def sprite(
    noun: str, size: int, *, redrawn: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A noun at a size: colour times coverage ``[s,s,3]`` in 0-255, and coverage ``[s,s,1]``."""
    if redrawn and noun in REDRAWN:
        tile = _tile("redrawn.png", list(REDRAWN).index(noun))
    else:
        tile = _tile("sprites.png", NOUNS.index(noun))
        tile = _flat(tile, NOUNS.index(noun)) if redrawn else tile
    pixels = np.asarray(tile.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)
    alpha = (pixels[..., 3:] / 255).astype(np.float32)
    return (pixels[..., :3] * alpha).astype(np.float32), alpha


def _tile(sheet: str, index: int) -> Image.Image:
    row, column = divmod(index, COLUMNS)
    box = (column * SPRITE, row * SPRITE, (column + 1) * SPRITE, (row + 1) * SPRITE)
    return _sheet(sheet).crop(box)


def _flat(tile: Image.Image, number: int) -> Image.Image:
    """Another drawing of a pictogram: mirrored, turned a little, flat colours, a dark edge."""
    turned = ImageOps.mirror(tile).rotate((-16, 14)[number % 2], Image.Resampling.BICUBIC)
    alpha = turned.getchannel("A")
    smooth = turned.convert("RGB").filter(ImageFilter.MedianFilter(5))
    flat = ImageOps.posterize(smooth, 2).point([min(255, v + 32) for v in range(256)] * 3)
    inner = alpha.filter(ImageFilter.MinFilter(5))
    edge = ImageChops.subtract(alpha, inner)
    flat.paste((28, 24, 36), mask=edge)
    flat.putalpha(alpha)
    return flat


@cache
def letter(character: str, font: str, height: int) -> NDArray[np.float32]:
    """The coverage of one letter in a cell of the given height: ``[h,w,1]`` in 0-1."""
    wide, high = GLYPH
    x, y = LETTERS.index(character) * wide, list(LETTER_FONTS).index(font) * high
    tile = _sheet("letters.png").crop((x, y, x + wide, y + high))
    tile = tile.resize((round(height * wide / high), height), Image.Resampling.BILINEAR)
    return np.asarray(tile, dtype=np.float32)[..., None] / np.float32(255)


def build(fonts: Path = Path("/usr/share/fonts"), out: Path = DATA) -> None:
    """Render all sheets from installed fonts; fails naming the glyph that a font lacks."""
    out.mkdir(parents=True, exist_ok=True)
    emoji = _font(fonts / EMOJI_FONT, 109)
    _pictograms(emoji, PICTOGRAMS).save(out / "sprites.png", optimize=True)
    _pictograms(emoji, REDRAWN).save(out / "redrawn.png", optimize=True)
    wide, high = GLYPH
    text = Image.new("L", (len(LETTERS) * wide, len(LETTER_FONTS) * high))
    for r, name in enumerate(LETTER_FONTS):
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
        "redrawn": REDRAWN,
        "glyph": GLYPH,
    }
    (out / "atlas.json").write_text(
        json.dumps({**facts, "sources": sources}, ensure_ascii=False, indent=1) + "\n"
    )


def _pictograms(font: ImageFont.FreeTypeFont, drawn: Mapping[str, str]) -> Image.Image:
    sheet = Image.new("RGBA", (COLUMNS * SPRITE, -(-len(drawn) // COLUMNS) * SPRITE))
    for i, (noun, character) in enumerate(drawn.items()):
        row, column = divmod(i, COLUMNS)
        sheet.paste(_pictogram(font, noun, character), (column * SPRITE, row * SPRITE))
    return sheet


def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    if not path.is_file():
        raise AtlasError(f"expected a font at {path}; install it or pass the fonts folder")
    try:
        # From its bytes: of a file that it cannot read, Pillow would look for the name elsewhere.
        return ImageFont.truetype(BytesIO(path.read_bytes()), size)
    except OSError as error:
        raise AtlasError(f"expected a readable font at {path} ({error})") from error


def _lacks(font: ImageFont.FreeTypeFont, character: str) -> bool:
    """Whether a font draws a character as nothing, or as what it draws for any that it lacks."""
    drawn, lacking = _drawn(font, character), _drawn(font, "\U0010fffe")
    return drawn.getbbox() is None or drawn.tobytes() == lacking.tobytes()


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((8, 8), character, font=font, embedded_color=True)
    return canvas


def _glyph(font: ImageFont.FreeTypeFont, character: str) -> Image.Image:
    """One letter on the shared baseline, squeezed if it is wider than its cell."""
    wide, high = GLYPH
    full = max(wide, int(font.getlength(character)) + 4)
    tile = Image.new("L", (full, high))
    ImageDraw.Draw(tile).text((full // 2, 41), character, 255, font, anchor="ms")
    if _lacks(font, character):
        raise AtlasError(f"the font {font.getname()[0]} draws no {character!r}; use another font")
    return tile.resize((wide, high), Image.Resampling.BILINEAR)


def _pictogram(font: ImageFont.FreeTypeFont, noun: str, character: str) -> Image.Image:
    canvas = _drawn(font, character)
    box = canvas.getbbox()
    if box is None or _lacks(font, character):
        what = f"{noun!r} ({character})"
        raise AtlasError(f"the font draws no pictogram for {what}; use Noto Color Emoji")
    tile = canvas.crop(box)
    tile.thumbnail((SPRITE - 2, SPRITE - 2), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SPRITE, SPRITE))
    square.paste(tile, ((SPRITE - tile.width) // 2, (SPRITE - tile.height) // 2))
    return square
