"""SmoothGuard (arXiv 2510.26830): noisy copies, and the answer that most of them agree on.

`SmoothGuardPaper` is the public code's algorithm, seeded. `SmoothGuard` is ours: noise in pixels,
as many clusters as the answers make, an early end, and a model's own answer in every case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.errors import RecipeError, UnknownName
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive
from sallet.defenses.embedders import WORDS, Embedder
from sallet.defenses.smoothing import Plan, smooth
from sallet.defenses.views import noisy, seen_by
from sallet.defenses.votes import Ties, Vote, agreed, two_means


@dataclass(frozen=True)
class _Noisy:
    copies: int = 10
    sigma: float = 0.1
    embedder: str = WORDS

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 1:
            raise RecipeError(f"sigma must be 0 to 1 (of the pixel range); it is {self.sigma}")
        _ = self.plan, self.embed

    @property
    def gradient(self) -> Gradient:
        """To every copy's pixels."""
        return "full"

    @property
    def stochastic(self) -> bool:
        """Without noise there is nothing to draw."""
        return self.sigma > 0

    @property
    def plan(self) -> Plan:
        """How many copies, and no early end."""
        return Plan(self.copies)

    @property
    def embed(self) -> Embedder:
        """What tells answers apart."""
        return Embedder(self.embedder)


@dataclass(frozen=True)
class SmoothGuard(_Noisy):
    """`copies` of noise `sigma` at most; a vote that is settled at `error` ends early.

    Answers are one cluster while their cosines are above `alike`. `ties`: of equal clusters the
    `first`, or a `safe` one that refuses.
    """

    error: float | None = 0.05
    alike: float = 0.6
    ties: Ties = "first"
    name: str = "smoothguard"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.alike < 1:
            raise RecipeError(f"alike is a cosine above 0 and below 1; it is {self.alike}")
        if self.ties not in ("first", "safe"):
            raise UnknownName("way to break ties", self.ties, ("first", "safe"))

    @property
    def plan(self) -> Plan:
        """As many as it takes."""
        return Plan(self.copies, self.error)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not seen_by(self.name, query):
            return query

        async def vote(answers: Sequence[Answer]) -> Vote:
            rows = await via.batch(self.embed, [answer.text for answer in answers])
            return agreed(answers, rows, self.alike, self.ties)

        def view(number: int) -> Query:
            return noisy(query.fork(number), self.sigma)

        return await smooth(query, via, self.plan, view=view, vote=vote)


@dataclass(frozen=True)
class SmoothGuardPaper(_Noisy):
    """The picture as it came and `copies` noisy ones; two clusters always (k-means); of the larger
    one the answer nearest by cosine to its mean. Every copy is asked."""

    name: str = "smoothguard-paper"

    @property
    def plan(self) -> Plan:
        """The picture itself is one more."""
        return Plan(self.copies + 1)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not seen_by(self.name, query):
            return query

        async def vote(answers: Sequence[Answer]) -> Vote:
            rows = await via.batch(self.embed, [answer.text for answer in answers])
            return two_means(answers, rows, derive(query.defense_seed, "k-means"))

        def view(number: int) -> Query:
            return noisy(query.fork(number), self.sigma) if number else query

        return await smooth(query, via, self.plan, view=view, vote=vote)


def without_noise(name: str, copies: int = 10) -> SmoothGuard:
    """The control: the same path, and nothing is changed."""
    return SmoothGuard(copies=copies, sigma=0.0, name=name)
