"""A contact sheet: pictures of a family with the question and the right answer under each."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from sallet.core.errors import UsageError
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
    known = Image.registered_extensions()
    if path.suffix.lower() not in known:
        raise UsageError(f"{path} must end in an image format's suffix, such as .png or .jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(family, n, seed=seed, held_out=held_out, shift=shift).save(path)
    return path


def pictures(
    folder: Path,
    family: str,
    n: int = 12,
    *,
    seed: int = 0,
    held_out: bool = True,
    shift: bool = False,
) -> Path:
    """Write each picture as a PNG, and `list.jsonl` with the questions that are about one picture
    in one turn: what `sallet attack` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    listed: list[str] = []
    for i, item in enumerate(items(family, n, seed=seed, held_out=held_out, shift=shift)):
        names = [f"{family}-{i}{'b' * second}.png" for second in range(len(item.scenes))]
        for name, scene in zip(names, item.scenes, strict=True):
            Image.fromarray(seen(scene)).save(folder / name)
        if len(names) == 1 and not item.turns:
            line = {"image": names[0], "ask": item.question}
            listed.append(
                json.dumps(line if item.system is None else {**line, "system": item.system})
            )
    (folder / "list.jsonl").write_text("".join(f"{line}\n" for line in listed), encoding="utf-8")
    return folder


def _lines(item: Item) -> list[str]:
    asked = item.question if item.system is None else f"[{item.system}] {item.question}"
    return [*textwrap.wrap(f"Q {asked}", 34)[:3], *textwrap.wrap(f"A {item.answer}", 34)][:LINES]
