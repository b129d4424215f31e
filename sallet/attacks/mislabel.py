"""A wrong word on what a picture shows (typographic attack; Goh et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sallet.attacks.drawing import Drawing, filled, opaque, place_of
from sallet.attacks.lettering import ink, letters, stamp
from sallet.core.errors import UsageError
from sallet.core.goal import Goal
from sallet.core.image import Image, Pixels
from sallet.core.query import Query
from sallet.core.seeds import derive


@dataclass(frozen=True, kw_only=True)
class Mislabel(Drawing):
    """The wanted word on every picture; the question stays as it is.

    `words` is what is written (`{thing}`: what the goal names). An untargeted goal names only what
    is right, so its `{thing}` is one of `wrong`, the same for the same question, that is none of
    the right answers. `place` is `top`, `middle`, `bottom` or `x,y` in shares of the picture.
    `behind` is the colour of a label under the letters (none where empty).
    """

    name: ClassVar[str] = "mislabel"
    words: str = "{thing}"
    wrong: str = "dog, car, banana, guitar, clock, apple"
    place: str = "middle"
    opacity: float = 1.0
    behind: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        place_of(self.place)
        opaque(self.opacity)
        if self.behind:
            ink(self.behind)

    @property
    def middle(self) -> tuple[float, float]:
        """Where the middle of the words is, in shares of width and height."""
        return place_of(self.place)

    def draw(self, query: Query, goal: Goal) -> Query:
        if not query.images:
            raise UsageError(f"{self.name} writes on pictures, and this query has none")
        if goal.kind == "untargeted":
            goal = Goal.say(self._wrong(query, goal))
        words = filled(self.words, query, goal)
        return query.map_images(lambda image: Image(self.label(image.pixels(), words)))

    def _wrong(self, query: Query, goal: Goal) -> str:
        right = " ".join(goal.names).lower()
        words = [word.strip() for word in self.wrong.split(",")]
        words = [word for word in words if word and word.lower() not in right]
        if not words:
            raise UsageError(
                f"every word of `wrong` ({self.wrong}) is in a right answer; give another one"
            )
        return words[derive(0, "wrong word", query.digest) % len(words)]

    def label(self, pixels: Pixels, words: str) -> Pixels:
        """The picture with these words on it."""
        high, wide = pixels.shape[:2]
        size = round(self.size * high)
        pad = max(1, size // 4) if self.behind else 0
        tile = letters(
            words, font=self.font, size=size, wide=wide - 2 * pad - 2, high=high - 2 * pad - 2
        ).coverage
        x, y = self.middle
        box = (tile.shape[0] + 2 * pad, tile.shape[1] + 2 * pad)
        top = min(max(round(y * high - box[0] / 2), 0), high - box[0])
        left = min(max(round(x * wide - box[1] / 2), 0), wide - box[1])
        if self.behind:
            ground = np.ones(box, np.float32)
            pixels = stamp(
                pixels, ground, left=left, top=top, colour=self.behind, opacity=self.opacity
            )
        return stamp(
            pixels, tile, left=left + pad, top=top + pad, colour=self.ink, opacity=self.opacity
        )
