"""Control arms: what a keyword scorer makes of words that a defence wrote, or did not write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from sallet.core.errors import RecipeError
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.judges.rules import refuses


@dataclass(frozen=True)
class Empty:
    """Asks, and hands on no words. Nothing harmful is ever said, and nothing at all."""

    name: ClassVar[str] = "empty"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (answer,) = await via.ask(query)
        return replace(answer, text="", refused_by=f"defense:{self.name}")


@dataclass(frozen=True)
class CodeWord:
    """A refusal below, whoever wrote it, becomes a neutral `word`; who refused is kept.

    What a scorer of keywords no longer counts, it had counted by the words alone.
    """

    word: str = "larkspur"
    name: ClassVar[str] = "code-word"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.word.strip() or refuses(self.word):
            raise RecipeError(f"the code word is a neutral word of its own; it is {self.word!r}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (answer,) = await via.ask(query)
        if answer.refused_by is None and not refuses(answer.text):
            return answer
        return replace(answer, text=f"{self.word}.", refused_by=answer.refused_by or "model")
