"""A scene as pixels, and what each patch of it shows.

Guaranteed: the same scene gives the same bytes on every machine with the same
NumPy generator, and the label of a patch names what covers most of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sallet.world.atlas import LETTERS, letter, sprite
from sallet.world.grounds import background
from sallet.world.nouns import NOUNS
from sallet.world.scenes import COLOURS, PATCH, SIDE, Scene, Word

GRID: Final = SIDE // PATCH
CLASSES: Final[tuple[str, ...]] = (*COLOURS, *NOUNS, *LETTERS)
"""What a patch can show: the ground of a colour, a thing, a letter."""
GROUNDS: Final = len(COLOURS)
UNSURE: Final = -100
"""The label of a patch that is neither clearly covered nor clearly free: no loss is taken there."""
CELL: Final = 40


def render(scene: Scene) -> NDArray[np.uint8]:
    """The picture of a scene: ``[side, side, 3]``."""
    canvas = background(scene.seed, scene.colour, shift=scene.shift)
    for thing in scene.things:
        colour, alpha = sprite(thing.noun, thing.size, redrawn=scene.shift)
        _blend(
            canvas,
            colour,
            alpha,
            thing.x - thing.size // 2,
            thing.y - thing.size // 2,
            thing.opacity,
        )
    for word in scene.words:
        ink = np.asarray(word.ink, dtype=np.float32)
        for i in range(len(word.text)):
            alpha, left, top = _glyph(word, i)
            _blend(canvas, ink * alpha, alpha, left, top, word.opacity)
    pixels = np.clip(canvas, 0, 255).astype(np.uint8)
    return pixels if scene.side == SIDE else resized(pixels, scene.side)


def resized(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A square picture at another size, bilinear."""
    page = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(page)


def seen(scene: Scene) -> NDArray[np.uint8]:
    """The picture at the size that models look at: ``[192, 192, 3]``."""
    drawn = render(scene)
    return drawn if scene.side == SIDE else resized(drawn, SIDE)


def labels(scene: Scene) -> NDArray[np.int64]:
    """The class of each patch, row by row: ``[64]`` indices into ``CLASSES``, or ``UNSURE``."""
    cover = np.zeros(
        (len(scene.things) + sum(len(w.text) for w in scene.words), GRID, GRID), dtype=np.float32
    )
    classes: list[int] = []
    for thing in scene.things:
        box = (thing.x - thing.size // 2, thing.y - thing.size // 2)
        _cover(cover[len(classes)], sprite(thing.noun, thing.size, redrawn=scene.shift)[1], *box)
        classes.append(GROUNDS + NOUNS.index(thing.noun))
    for word in scene.words:
        for i, character in enumerate(word.text):
            alpha, left, top = _glyph(word, i)
            _cover(cover[len(classes)], alpha * LETTER_WEIGHT, left, top)
            classes.append(GROUNDS + len(NOUNS) + LETTERS.index(character))
    ground = CLASSES.index(scene.colour)
    if not classes:
        return np.full(GRID * GRID, ground, dtype=np.int64)
    flat = cover.reshape(len(classes), -1)
    most = flat.max(0)
    found = np.asarray(classes, dtype=np.int64)[flat.argmax(0)]
    return np.where(most > 0.30, found, np.where(most < 0.08, ground, UNSURE))


def spelling(scene: Scene) -> NDArray[np.int64]:
    """What is written in each half of each patch, and where in its word that letter stands.

    ``[64, 2, 2]``: of the left and the right half, an index into ``LETTERS`` (their
    number where nothing is written) and a place from 0. ``UNSURE`` where it is unclear.
    """
    drawn = [(word, i) for word in scene.words for i in range(len(word.text))]
    cover = np.zeros((1 + len(drawn), GRID, 2 * GRID), dtype=np.float32)
    for n, (word, i) in enumerate(drawn, 1):
        _cover(cover[n], *_glyph(word, i), wide=PATCH // 2)
    most, which = cover.max(0), cover.argmax(0)
    letters = [len(LETTERS), *(LETTERS.index(word.text[i]) for word, i in drawn)]
    places = [UNSURE, *(i for _, i in drawn)]
    found = np.stack([np.asarray(letters)[which], np.asarray(places)[which]], -1)
    found[(most > 0) & (most < 0.15)] = UNSURE
    return found.reshape(GRID * GRID, 2, 2).astype(np.int64)


LETTER_WEIGHT: Final = 2.0
"""Strokes cover little of a patch: a letter counts double, so that a half-seen one is labelled."""


def _glyph(word: Word, i: int) -> tuple[NDArray[np.float32], int, int]:
    """The coverage of one of a word's letters, its left edge and its top."""
    alpha = letter(word.text[i], word.font, CELL)
    return alpha, word.x + i * word.advance + (word.advance - alpha.shape[1]) // 2, word.y


def _blend(
    canvas: NDArray[np.float32],
    colour: NDArray[np.float32],
    alpha: NDArray[np.float32],
    left: int,
    top: int,
    opacity: float,
) -> None:
    high, wide = alpha.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + wide, SIDE), min(top + high, SIDE)
    inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    view = canvas[y0:y1, x0:x1]
    view *= 1.0 - opacity * alpha[inside]
    view += opacity * colour[inside]


def _cover(
    grid: NDArray[np.float32], alpha: NDArray[np.float32], left: int, top: int, wide: int = PATCH
) -> None:
    """Add the share of each patch, or of columns of it, that a tile of coverage takes."""
    tall, broad = alpha.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + broad, SIDE), min(top + tall, SIDE)
    u0, v0, u1, v1 = y0 // PATCH, x0 // wide, -(-y1 // PATCH), -(-x1 // wide)
    page = np.zeros(((u1 - u0) * PATCH, (v1 - v0) * wide), dtype=np.float32)
    oy, ox = u0 * PATCH, v0 * wide
    page[y0 - oy : y1 - oy, x0 - ox : x1 - ox] = alpha[
        y0 - top : y1 - top, x0 - left : x1 - left, 0
    ]
    grid[u0:u1, v0:v1] += page.reshape(u1 - u0, PATCH, v1 - v0, wide).mean((1, 3))
