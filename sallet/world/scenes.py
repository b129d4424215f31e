"""Scenes: what is where, drawn from an explicit seed, and nothing about questions.

A ``Scene`` says everything that its picture shows, so any question about it has
a true answer. Seeds below ``HELD_OUT`` are for training, all others are never
trained on; scenes of the *shift* split also have drawings, fonts and grounds that
training never shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sallet.world.atlas import FONTS, LETTERS, SHIFT_FONTS
from sallet.world.nouns import NOUNS

SIDE: Final = 192
PATCH: Final = 24
HELD_OUT: Final = 1 << 48
PLACES: Final[dict[str, tuple[int, int]]] = {
    "left": (32, 96), "right": (160, 96), "top": (96, 32), "bottom": (96, 160), "middle": (96, 96),
}  # fmt: skip
ROWS: Final[dict[str, tuple[str, ...]]] = {
    "top": ("left", "right", "bottom", "middle"),
    "middle": ("top", "bottom"),
    "bottom": ("left", "right", "top", "middle"),
}
"""Where a rendered word may stand, and the places that it leaves free."""
COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (186, 84, 80), "green": (92, 158, 92), "blue": (84, 116, 190),
    "yellow": (206, 190, 96), "grey": (140, 140, 140), "purple": (146, 92, 168),
}  # fmt: skip
LARGEST_WORD: Final = 8
SIDES: Final = (160, 176, 208, 224)
"""Other sizes that pictures come in: each third one, resized by whoever looks at it."""


@dataclass(frozen=True)
class Thing:
    """One pictogram: its noun, its place, its centre and size in pixels, its opacity."""

    noun: str
    place: str
    x: int
    y: int
    size: int
    opacity: float


@dataclass(frozen=True)
class Word:
    """One rendered word: its left edge and top, pixels a letter, font and ink."""

    text: str
    x: int
    y: int
    advance: int
    font: str
    ink: tuple[int, int, int]
    opacity: float


@dataclass(frozen=True)
class Scene:
    """All that a picture shows; equal scenes are drawn as equal pixels."""

    seed: int
    colour: str
    things: tuple[Thing, ...]
    words: tuple[Word, ...] = ()
    side: int = SIDE
    """Pixels of the finished picture; all places above are in a picture of ``SIDE``."""
    shift: bool = False
    """Drawn with pictograms and a ground that training never shows."""

    @property
    def nouns(self) -> tuple[str, ...]:
        """The nouns of the things in it (not of its words), in the order of ``PLACES``."""
        return tuple(thing.noun for thing in self.things)

    def at(self, place: str) -> str | None:
        """The noun at a place, or None where nothing stands."""
        return next((t.noun for t in self.things if t.place == place), None)


def seeds(count: int, *, first: int = 0, held_out: bool = True) -> range:
    """Consecutive scene seeds of one split; the splits never overlap."""
    start = (HELD_OUT if held_out else 0) + first
    return range(start, start + count)


def compose(
    rng: np.random.Generator,
    seed: int,
    nouns: Sequence[str],
    word: str | None = None,
    *,
    shift: bool = False,
) -> Scene:
    """Put nouns (at most five, two with a word in the middle row) and a word at random places."""
    row = (
        None
        if word is None
        else str(rng.choice([r for r, free in ROWS.items() if len(free) >= len(nouns)]))
    )
    free = tuple(PLACES) if row is None else ROWS[row]
    chosen = [free[i] for i in rng.permutation(len(free))[: len(nouns)]]
    things = [
        _thing(rng, noun, place, *PLACES[place]) for noun, place in zip(nouns, chosen, strict=True)
    ]
    things.sort(key=lambda t: list(PLACES).index(t.place))
    words = (
        ()
        if word is None or row is None
        else (_word(rng, word, PLACES[row][1] + int(rng.integers(-12, 13)), shift),)
    )
    colour = str(rng.choice(list(COLOURS)))
    return Scene(seed, colour, tuple(things), words, _side(rng), shift)


def crowd(seed: int) -> Scene:
    """A full picture for training the tower: rows of things, of a word, or of random letters."""
    rng = np.random.default_rng(seed)
    things: list[Thing] = []
    words: list[Word] = []
    for y in (32, 96, 160):
        draw = rng.random()
        if draw < 0.25:
            words.append(_word(rng, str(rng.choice(NOUNS)), y + int(rng.integers(-12, 13))))
            continue
        if draw < 0.45:
            for line in (-14, 14):
                text = "".join(rng.choice(list(LETTERS), int(rng.integers(2, LARGEST_WORD + 1))))
                words.append(_word(rng, text, y + line + int(rng.integers(-3, 4))))
            continue
        things.extend(
            _thing(rng, str(rng.choice(NOUNS)), "", x, y)
            for x in (32, 96, 160)
            if rng.random() < 0.75
        )
    return Scene(seed, str(rng.choice(list(COLOURS))), tuple(things), tuple(words), _side(rng))


def _side(rng: np.random.Generator) -> int:
    return int(rng.choice(SIDES)) if rng.random() < 1 / 3 else SIDE


def _thing(rng: np.random.Generator, noun: str, place: str, x: int, y: int) -> Thing:
    size = int(rng.choice(SIZES))
    room = 6 if size <= 60 else 3
    dx, dy = rng.integers(-room, room + 1, 2)
    return Thing(noun, place, x + int(dx), y + int(dy), size, float(rng.uniform(0.45, 1.0)))


def _word(rng: np.random.Generator, text: str, y: int, shift: bool = False) -> Word:
    advance = int(rng.integers(20, 24))
    x = int(rng.integers(2, SIDE - 2 - advance * len(text) + 1))
    dark = rng.random() < 0.5
    ink = rng.integers(0, 45, 3) if dark else rng.integers(215, 256, 3)
    top = int(np.clip(y - 20, 0, SIDE - 40))
    font = str(rng.choice(SHIFT_FONTS if shift else FONTS))
    return Word(
        text,
        x,
        top,
        advance,
        font,
        (int(ink[0]), int(ink[1]), int(ink[2])),
        float(rng.uniform(0.65, 1.0)),
    )


SIZES: Final = (50, 55, 60, 65, 70)
"""Sizes of things in pixels; few, so that scaled sprites are made once."""
