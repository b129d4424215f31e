"""Grounds: what stands behind the things of a scene, cluttered enough to be seen past.

A ground is a tint, a window of one of a fixed set of sheets (turned and
mirrored), and a window of pixel noise. Drawing a sheet is dear and is done once;
training and the held-out split share the sheets, the shift split has its own
kind: woven patterns instead of blots and lines.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sallet.world.scenes import COLOURS, SIDE

SHEETS: Final = 96
SHEET: Final = 320


def background(seed: int, colour: str, *, shift: bool = False) -> NDArray[np.float32]:
    """The ground of a scene, in 0-255 give or take: ``[192, 192, 3]``, free to be written on."""
    rng = np.random.default_rng([seed, 7])
    base = np.asarray(COLOURS[colour]) + rng.normal(0, 12, 3)
    number = int(rng.integers(SHEETS))
    sheet = (_woven if shift else _strewn)(number)
    (u, v), (s, t), turn = (
        rng.integers(0, SHEET - SIDE, 2),
        rng.integers(0, GRAIN - SIDE, 2),
        int(rng.integers(8)),
    )
    window = sheet[u : u + SIDE, v : v + SIDE]
    window = np.rot90(window[:, ::-1] if turn & 1 else window, turn >> 1)
    page = window.astype(np.float32) - np.float32(128)
    page += base.astype(np.float32)
    page += _grain()[s : s + SIDE, t : t + SIDE]
    return page


GRAIN: Final = 512


@cache
def _grain() -> NDArray[np.float32]:
    """One fixed sheet of pixel noise; each scene reads another window of it."""
    return np.random.default_rng(20240229).normal(0, 7, (GRAIN, GRAIN, 3)).astype(np.float32)


@cache
def _strewn(number: int) -> NDArray[np.uint8]:
    """Uneven ground with blots and lines, around 128."""
    rng = np.random.default_rng([number, 20240301])
    coarse = 128 + rng.normal(0, 16, (11, 11, 1)) + rng.normal(0, 7, (11, 11, 3))
    page = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize(
        (SHEET, SHEET), Image.Resampling.BILINEAR
    )
    draw = ImageDraw.Draw(page)
    blots = rng.integers((-10, -10, 4), (SHEET, SHEET, 22), (int(rng.integers(6, 18)), 3))
    for x, y, r in blots.tolist():
        draw.ellipse((x, y, x + 2 * r, y + 2 * r), fill=_tone(rng, 32))
    lines = rng.integers(-10, SHEET + 10, (int(rng.integers(9, 26)), 4))
    for x0, y0, x1, y1 in lines.tolist():
        draw.line((x0, y0, x1, y1), fill=_tone(rng, 48), width=int(rng.integers(1, 4)))
    return np.asarray(page)


@cache
def _woven(number: int) -> NDArray[np.uint8]:
    """Stripes, checks and rings, around 128."""
    rng = np.random.default_rng([number, 20240302])
    y, x = np.mgrid[:SHEET, :SHEET].astype(np.float32)
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(9, 40)
    along = (x * np.cos(angle) + y * np.sin(angle)) / pitch
    across = (y * np.cos(angle) - x * np.sin(angle)) / pitch
    kind = number % 3
    if kind == 0:
        wave = np.sign(np.sin(2 * np.pi * along))
    elif kind == 1:
        wave = np.sign(np.sin(np.pi * along) * np.sin(np.pi * across))
    else:
        centre = rng.uniform(0, SHEET, 2)
        wave = np.sin(2 * np.pi * np.hypot(x - centre[0], y - centre[1]) / pitch)
    tone = rng.normal(0, 20, 3)
    slope = (x - SHEET / 2) * rng.normal(0, 0.12) + (y - SHEET / 2) * rng.normal(0, 0.12)
    return np.clip(128 + wave[..., None] * tone + slope[..., None], 0, 255).astype(np.uint8)


def _tone(rng: np.random.Generator, spread: float) -> tuple[int, int, int]:
    tone = np.clip(128 + rng.normal(0, spread, 3), 0, 255).astype(int)
    return int(tone[0]), int(tone[1]), int(tone[2])
