"""A contact sheet: pictures of a family with the question and the right answer under each."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from sallet.world.families import items
from sallet.world.questions import Item
from sallet.world.render import seen
from sallet.world.scenes import SIDE

LINES: Final = 6
CAPTION: Final = 12 * LINES + 6


def sheet(
    family: str,
    n: int = 12,
    *,
    seed: int = 0,
    held_out: bool = True,
    shift: bool = False,
    columns: int = 4,
) -> Image.Image:
    """``n`` items of a family, row by row, with their texts."""
    asked = items(family, n, seed=seed, held_out=held_out, shift=shift)
    columns = min(columns, max(n, 1))
    rows = -(-len(asked) // columns)
    page = Image.new("RGB", (columns * (SIDE + 8), rows * (SIDE + CAPTION + 8)), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(11)
    for i, item in enumerate(asked):
        x, y = (i % columns) * (SIDE + 8) + 4, (i // columns) * (SIDE + CAPTION + 8) + 4
        page.paste(Image.fromarray(seen(item.scene)), (x, y))
        for k, line in enumerate(_lines(item)):
            draw.text((x, y + SIDE + 2 + 12 * k), line, fill="black", font=font)
    return page


def save(
    path: Path,
    family: str,
    n: int = 12,
    *,
    seed: int = 0,
    held_out: bool = True,
    shift: bool = False,
) -> Path:
    """Write the sheet as a file whose suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(family, n, seed=seed, held_out=held_out, shift=shift).save(path)
    return path


def _lines(item: Item) -> list[str]:
    asked = item.question if item.system is None else f"[{item.system}] {item.question}"
    return [*textwrap.wrap(f"Q {asked}", 34)[:3], *textwrap.wrap(f"A {item.answer}", 34)][:LINES]
