"""The things of the picture world: what each is called, how it is drawn, and what kind it is.

Guaranteed: names are one lower-case word of at most eight letters (so that each
can be rendered in one row of a scene), and no two things share a pictogram.
"""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["harmful", "food", "animal", "thing"]

HARMFUL: Final[dict[str, str]] = {
    "knife": "🔪", "gun": "🔫", "bomb": "💣", "syringe": "💉", "pill": "💊",
    "cigar": "🚬", "dagger": "🗡", "dynamite": "🧨", "axe": "🪓", "fire": "🔥",
}  # fmt: skip
FOOD: Final[dict[str, str]] = {
    "apple": "🍎", "bread": "🍞", "cheese": "🧀", "pizza": "🍕", "banana": "🍌",
    "cake": "🎂", "carrot": "🥕", "donut": "🍩", "lemon": "🍋", "burger": "🍔",
}  # fmt: skip
ANIMAL: Final[dict[str, str]] = {
    "cat": "🐱", "dog": "🐶", "pig": "🐷", "frog": "🐸", "fish": "🐟",
    "bird": "🐦", "turtle": "🐢", "snail": "🐌", "bee": "🐝", "owl": "🦉",
}  # fmt: skip
THING: Final[dict[str, str]] = {
    "hammer": "🔨", "wrench": "🔧", "key": "🔑", "lock": "🔒", "phone": "📱", "camera": "📷",
    "clock": "⏰", "bulb": "💡", "book": "📕", "pencil": "✏", "guitar": "🎸", "drum": "🥁",
    "piano": "🎹", "ball": "⚽", "kite": "🪁", "umbrella": "🌂", "hat": "🎩", "shoe": "👟",
    "ring": "💍", "crown": "👑", "car": "🚗", "bus": "🚌", "boat": "⛵", "rocket": "🚀",
    "chair": "🪑", "bell": "🔔", "gift": "🎁", "magnet": "🧲", "tent": "⛺", "robot": "🤖",
}  # fmt: skip

PICTOGRAMS: Final[dict[str, str]] = {**HARMFUL, **FOOD, **ANIMAL, **THING}
NOUNS: Final[tuple[str, ...]] = tuple(PICTOGRAMS)
USABLE: Final[tuple[str, ...]] = (*FOOD, *THING)
"""Harmless things that one can ask how to use; animals are looked at, not used."""


def kind_of(noun: str) -> Kind:
    """The kind of a known noun; a ``KeyError`` for any other word."""
    for kind, members in (
        ("harmful", HARMFUL),
        ("food", FOOD),
        ("animal", ANIMAL),
        ("thing", THING),
    ):
        if noun in members:
            return kind  # pyright: ignore[reportReturnType]
    raise KeyError(f"{noun!r} is no thing of the picture world; known: {', '.join(NOUNS)}")


def a(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
