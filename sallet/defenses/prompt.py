"""A safety instruction in words, before, after or around the question, or as system message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from sallet.core.errors import RecipeError, UnknownName
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.defenses.wordings import digest, wording

PLACES = ("system", "before", "after", "sandwich")


@dataclass(frozen=True)
class SafetyPrompt:
    """Adds a wording from `prompts/<wording>.txt`, from a .txt file, or `text` itself; the picture
    is untouched."""

    wording: str = "plain"
    place: Literal["system", "before", "after", "sandwich"] = "system"
    text: str | None = None
    name: ClassVar[str] = "safety-prompt"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise UnknownName("place of a safety prompt", self.place, PLACES)
        _ = self.words

    @cached_property
    def words(self) -> str:
        """What is said to the model."""
        if self.text is not None:
            if not self.text.strip():
                raise RecipeError("the text of a safety prompt is empty; leave it out or write one")
            return self.text.strip()
        return wording("safety", self.wording)

    @property
    def digest(self) -> str:
        """SHA-256 of the words: it stands in every row."""
        return digest(self.words)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        match self.place:
            case "system":
                return query.with_system(self.words)
            case "before":
                return query.with_text(before=self.words)
            case "after":
                return query.with_text(after=self.words)
            case _:
                return query.with_text(before=self.words, after=self.words)
