"""What the attacks that write words into pictures share: they look at no model and search nothing.

What is written comes from the goal and the question: `{thing}` is the thing that the goal is
about, `{question}` the words of the last user turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from sallet.attacks.lettering import ink
from sallet.core.errors import RecipeError, UsageError
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.protocols import Enough, Going, Hostile, Judge, Model, Progress, silent
from sallet.core.query import Part, Query

ARTICLE: Final = r"(?:(?:an?|the|some|this|that)\s+)?"
PLACES: Final = {"top": (0.5, 0.15), "middle": (0.5, 0.5), "bottom": (0.5, 0.85)}
"""Where the middle of the words is: shares of the picture's width and height."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """`size` is that of the letters as a share of the picture's height; they are drawn smaller
    where the words would not fit. `font` is a shipped one (`sans`), a file, or one of the system's
    by the name of its file.
    """

    name: ClassVar[str] = "drawing"
    size: float = 0.18
    font: str = "sans"
    ink: str = "black"

    def __post_init__(self) -> None:
        if not 0 < self.size <= 1:
            raise RecipeError(
                f"size is a share of the picture's height, above 0 and at most 1; it is {self.size}"
            )
        ink(self.ink)

    def draw(self, query: Query, goal: Goal) -> Query:
        """The formula: the query with words in its picture."""
        raise NotImplementedError

    def check(self, query: Query, goal: Goal) -> None:
        """Raises what drawing for this query would raise."""
        self.draw(query, goal)

    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> list[Hostile]:
        """One for each query, in order; neither the model nor the seed is looked at."""
        made = [Hostile(query) for query in queries]
        with suppress(Enough):
            for i, (query, goal) in enumerate(zip(queries, goals, strict=True)):
                made[i] = Hostile(self.draw(query, goal), steps=1)
                progress(Going(done=i + 1, total=len(queries), samples=len(queries)))
        return made


def thing(goal: Goal) -> str:
    """What the goal is about, without article or full stop: the shortest of its names."""
    bare = [re.sub(rf"^{ARTICLE}", "", name.strip().rstrip("."), flags=re.I) for name in goal.names]
    if not any(bare):
        raise UsageError(
            "the goal names nothing that could be written; give the words themselves, or the "
            "question by {question}"
        )
    return min((name for name in bare if name), key=len)


def filled(template: str, query: Query, goal: Goal) -> str:
    """The template with the goal's thing and the question's words put in."""
    if "{thing}" in template:
        template = template.replace("{thing}", thing(goal))
    return template.replace("{question}", query.user_text)


def unnamed(query: Query, goal: Goal, instead: str) -> str:
    """The question with the thing's name replaced by what points at it in the picture."""
    name = thing(goal)
    hidden, times = re.subn(
        rf"\b{ARTICLE}{re.escape(name)}\b", lambda _: instead, query.user_text, flags=re.I
    )
    if not times:
        raise UsageError(
            f"the question {query.user_text!r} does not name {name!r}, so nothing in it can be "
            "moved into a picture; give `ask`, the question to put in its place"
        )
    return hidden


def turned(query: Query, text: str, *images: Image) -> Query:
    """The query with its last user turn made of these pictures and this text alone."""
    at = max(i for i, message in enumerate(query.messages) if message.role == "user")
    parts: tuple[Part, ...] = (*images, text)
    message = replace(query.messages[at], parts=parts)
    return replace(query, messages=(*query.messages[:at], message, *query.messages[at + 1 :]))


def place_of(place: str) -> tuple[float, float]:
    """A place by its name, or as `x,y` in shares of the picture."""
    if place in PLACES:
        return PLACES[place]
    try:
        x, y = (float(part) for part in place.split(","))
    except ValueError:
        x = y = -1.0
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise RecipeError(
            f"place is one of {', '.join(PLACES)}, or x,y in shares of the picture such as "
            f"0.5,0.2; it is {place!r}"
        )
    return x, y


def opaque(opacity: float) -> float:
    """Checks an opacity."""
    if not 0 < opacity <= 1:
        raise RecipeError(f"opacity must be above 0 and at most 1; it is {opacity}")
    return opacity
