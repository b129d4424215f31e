"""`Worded`: a white box that an attacker can differentiate to the words of a query, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from sallet.core.goal import Goal
from sallet.core.protocols import Trace, Traced
from sallet.core.query import Query


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens that somebody can type: none that is special, unprintable or half a character.

    `ids` `[S]`, their `vectors` `[S, d]` as the model takes them in, each one's own text, and
    whether it is a whole word by itself.
    """

    ids: Tensor
    vectors: Tensor
    texts: tuple[str, ...]
    whole: Tensor


class Lexicon(Protocol):
    """The words that somebody can type, and where they lie among a model's embeddings."""

    def vocabulary(self) -> Vocabulary: ...

    def embed(self, text: str) -> Tensor:
        """The vectors `[n, d]` of a text's tokens."""
        ...


class Words(Lexicon, Protocol):
    """The words of queries as a model reads them."""

    def tokens(self, query: Query, words: str) -> tuple[int, ...]:
        """What `words`, where they stand last in the query, are to the model; none if nowhere."""
        ...

    def respell(self, query: Query, words: str, tokens: Sequence[int]) -> str | None:
        """The text to write in place of `words` so that the model reads exactly these tokens.

        None where no text does: what is decoded would be read as other tokens.
        """
        ...


@runtime_checkable
class Worded(Traced, Protocol):
    """Tokens are discrete; what is differentiable is where their vectors lie."""

    @property
    def words(self) -> Words: ...

    def nudged(
        self, queries: Sequence[Query], goals: Sequence[Goal], words: str, nudge: Tensor
    ) -> Trace:
        """The trace if the vectors of `words`' n tokens were moved by `nudge` `[n, d]`.

        Differentiable to it. A query in which `words` are not n tokens is left as it is.
        """
        ...
