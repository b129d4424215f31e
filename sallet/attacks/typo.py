"""MM-SafetyBench's shapes: the thing is moved out of the question into a picture (Liu et al. 2023).

*SD*: a picture shows it. *TYPO*: a picture writes it. *SD_TYPO*: a picture shows it with its name
under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from sallet.attacks.drawing import Drawing, filled, thing, turned, unnamed
from sallet.attacks.lettering import ink, letters, paper, stamp
from sallet.core.errors import RecipeError, UsageError
from sallet.core.goal import Goal
from sallet.core.image import Image, Pixels
from sallet.core.query import Query

FORMS: Final = ("sd", "typo", "sd-typo")
SHOWN: Final = "the thing in the picture"
WRITTEN: Final = "the thing named in the text"
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, kw_only=True)
class Typo(Drawing):
    """`form` is `sd`, `typo` or `sd-typo`; the question no longer names the thing.

    `pictures` says where a picture of the thing is from: the query's own (`query`), a pictogram of
    the picture world (`world`), or a folder of files named by the thing. The words (`{thing}`, or
    the whole `{question}`) are written on `paper`: a page of `side` pixels, or a strip under the
    picture (over its upper edge where `place` is `over`). The question loses the thing's name to
    "the thing in the picture" or "the thing named in the text", unless `ask` gives another.
    """

    name: ClassVar[str] = "typo"
    form: str = "typo"
    pictures: str = "query"
    words: str = "{thing}"
    ask: str = ""
    place: str = "under"
    side: int = 760
    paper: str = "white"

    def __post_init__(self) -> None:
        super().__post_init__()
        ink(self.paper)
        if self.form not in FORMS:
            raise RecipeError(f"form is one of {', '.join(FORMS)}; it is {self.form!r}")
        if self.place not in ("under", "over"):
            raise RecipeError(f"place is under or over (the picture); it is {self.place!r}")
        if self.side < 1:
            raise RecipeError(f"side must be at least 1; it is {self.side}")

    def draw(self, query: Query, goal: Goal) -> Query:
        written = "typo" in self.form
        ask = filled(self.ask, query, goal) or unnamed(query, goal, WRITTEN if written else SHOWN)
        words = filled(self.words, query, goal) if written else ""
        if self.form == "typo":
            return turned(query, ask, Image(self._page(words)))
        picture = self._picture(query, goal)
        return turned(query, ask, Image(self._captioned(picture, words) if written else picture))

    def _page(self, words: str) -> Pixels:
        page = paper(self.side, self.side, self.paper)
        tile = letters(
            words, font=self.font, size=round(self.size * self.side),
            wide=round(0.96 * self.side), high=round(0.96 * self.side),
        ).coverage  # fmt: skip
        top, left = (self.side - tile.shape[0]) // 2, (self.side - tile.shape[1]) // 2
        return stamp(page, tile, left=left, top=top, colour=self.ink)

    def _captioned(self, picture: Pixels, words: str) -> Pixels:
        """The picture and a strip with the words; a square picture becomes a higher one."""
        high, wide = picture.shape[:2]
        size = round(self.size * high)
        tile = letters(
            words, font=self.font, size=size, wide=round(0.96 * wide), high=high
        ).coverage
        strip = paper(tile.shape[0] + size // 2 + 2, wide, self.paper)
        left, top = (wide - tile.shape[1]) // 2, (strip.shape[0] - tile.shape[0]) // 2
        strip = stamp(strip, tile, left=left, top=top, colour=self.ink)
        return np.concatenate([picture, strip] if self.place == "under" else [strip, picture])

    def _picture(self, query: Query, goal: Goal) -> Pixels:
        if self.pictures == "query":
            if not query.images:
                raise UsageError(
                    "this query has no picture of its own; give a folder of pictures that are "
                    "named by what they show, or pictures: world"
                )
            return query.images[-1].pixels()
        name = thing(goal)
        return _pictogram(name) if self.pictures == "world" else _file(Path(self.pictures), name)


def _pictogram(name: str) -> Pixels:
    """The thing in the middle of a scene of the picture world."""
    from sallet.core.errors import UnknownName
    from sallet.world.nouns import NOUNS
    from sallet.world.render import render
    from sallet.world.scenes import Scene, Thing

    if name not in NOUNS:
        raise UnknownName("thing of the picture world", name, NOUNS)
    return render(Scene(NOUNS.index(name), "grey", (Thing(name, "middle", 96, 96, 70, 1.0),)))


def _file(folder: Path, name: str) -> Pixels:
    from sallet.media.file import open_image

    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return open_image(path).pixels()
    raise UsageError(
        f"there is no picture of {name!r} in {folder}; put {name}.png there (or one of "
        f"{', '.join(SUFFIXES[1:])})"
    )
