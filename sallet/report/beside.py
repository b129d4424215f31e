"""Clean, hostile and difference beside each other, with what was said: one PNG of one attack."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sallet.core.image import Pixels

SIDE, GAP, LINE, BASE = 320, 16, 18, 14
INK, PAPER, SOFT = (30, 30, 34), (255, 255, 255), (110, 110, 118)


def beside(
    path: Path, clean: Pixels, hostile: Pixels, *, asked: str, before: str, after: str, note: str
) -> None:
    """Writes the picture; the difference is centred on grey and enlarged to be seen."""
    panels = [("clean", clean), ("hostile", hostile)]
    if clean.shape == hostile.shape:
        change = hostile.astype(np.float32) - clean.astype(np.float32)
        times = max(1, int(127 / max(1.0, float(np.abs(change).max()))))
        shown = np.clip(change * times + 128, 0, 255).astype(np.uint8)
        panels.append((f"difference, {times} times", shown))
    width = GAP + len(panels) * (SIDE + GAP)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    columns = max(20, (width - 2 * GAP) // 8)
    said = [("asked", asked), ("clean", before), ("hostile", after), ("", note)]
    lines = [
        (name if i == 0 else "", line)
        for name, text in said
        for i, line in enumerate(textwrap.wrap(text, columns - 10)[:6] or [""])
    ]
    height = 2 * GAP + LINE + SIDE + GAP + LINE * len(lines)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (name, pixels) in enumerate(panels):
        left = GAP + i * (SIDE + GAP)
        draw.text((left, GAP), name, SOFT, small)
        picture = Image.fromarray(pixels)
        scale = SIDE / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        sheet.paste(picture.resize(size, Image.Resampling.NEAREST), (left, GAP + LINE))
    top = GAP + LINE + SIDE + GAP
    for i, (name, line) in enumerate(lines):
        base = top + i * LINE + BASE  # letters of two sizes stand on one line
        draw.text((GAP, base), name, SOFT, small, anchor="ls")
        draw.text((GAP + 70, base), line, INK, font, anchor="ls")
    sheet.save(path)
