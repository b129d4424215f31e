"""AdaShield (ECCV'24, arXiv 2403.09513): a prompt that asks to examine before answering.

Static: one text, between the request and the request once more. Adaptive: the text of the nearest
example in a pool, or none at all where nothing is near.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.core.errors import RecipeError
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.defenses.embedders import SHIPPED
from sallet.defenses.pool import Placing, Pool, read
from sallet.defenses.views import seen_by
from sallet.defenses.wordings import digest, wording


@dataclass(frozen=True)
class AdaShieldS:
    """The request, the text, the request again."""

    wording: str = "plain"
    name: ClassVar[str] = "adashield-s"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.text

    @property
    def text(self) -> str:
        """What is said."""
        return wording("adashield", self.wording)

    @property
    def digest(self) -> str:
        """Of the text."""
        return digest(self.text)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return shielded(query, self.text)


@dataclass(frozen=True)
class AdaShieldA:
    """The nearest example's text if its cosine is above `near` (0.7 in the paper), else none.

    An attacker may aim at this branch: it is taken by `via.decide`.
    """

    pool: str = "world"
    encoder: str = SHIPPED[0]
    near: float = 0.7
    name: ClassVar[str] = "adashield-a"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not -1 <= self.near <= 1:
            raise RecipeError(f"near is a cosine, -1 to 1; it is {self.near}")
        _ = self.examples

    @property
    def examples(self) -> Pool:
        """What is looked up."""
        return read(self.pool, self.encoder)

    @property
    def digest(self) -> str:
        """Of every text, where it lies, and what placed it."""
        pool = self.examples
        return digest(pool.weights, *(f"{e.prompt} {e.vector}" for e in pool.entries))

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not query.images:
            seen_by(self.name, query)
            return query
        (vector,) = await via.batch(Placing(self.encoder), [query])
        cosine, entry = self.examples.nearest(vector)
        if not await via.decide(cosine - self.near):
            return query
        return shielded(query, entry.prompt)


def shielded(query: Query, text: str) -> Query:
    """The request, the text, and the request once more."""
    return query.with_text(after=f"{text} {query.user_text}")
