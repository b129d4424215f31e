"""SmoothVLM (arXiv 2405.10529): copies that lost a share of their pixels, and a vote.

`SmoothVLMPaper` classes answers by keywords and returns one of the larger class by lot. `SmoothVLM`
reads refusals by their openings, and of the larger class returns what most of it agree on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from sallet.core.errors import RecipeError, UnknownName
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive
from sallet.defenses.embedders import WORDS, Embedder
from sallet.defenses.smoothing import Plan, smooth
from sallet.defenses.views import KINDS, scattered, seen_by
from sallet.defenses.votes import Vote, agreed, by_class, declines, has_keyword

Kind: TypeAlias = Literal["mask", "swap", "patch"]


@dataclass(frozen=True)
class _Scattered:
    """`q` is the share of positions that a copy loses, `kind` how: to black, among each other, or
    in one square of noise."""

    copies: int = 10
    q: float = 0.2
    kind: Kind = "mask"

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise RecipeError(f"q is a share of the pixels, 0 to 1; it is {self.q}")
        if self.kind not in KINDS:
            raise UnknownName("kind of lost pixels", self.kind, KINDS)
        _ = self.plan

    @property
    def gradient(self) -> Gradient:
        """To every pixel that a copy kept."""
        return "full"

    @property
    def stochastic(self) -> bool:
        """Without a loss there is nothing to draw."""
        return self.q > 0

    @property
    def plan(self) -> Plan:
        """How many copies, and no early end."""
        return Plan(self.copies)

    def view(self, query: Query, number: int) -> Query:
        """One copy."""
        return scattered(query.fork(number), self.kind, self.q)


@dataclass(frozen=True)
class SmoothVLM(_Scattered):
    """The larger class (refused or not), and in it the medoid of the largest cluster of answers;
    settled at `error`, the vote ends early."""

    error: float | None = 0.05
    alike: float = 0.6
    embedder: str = WORDS
    name: str = "smoothvlm"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.alike < 1:
            raise RecipeError(f"alike is a cosine above 0 and below 1; it is {self.alike}")
        _ = Embedder(self.embedder)

    @property
    def plan(self) -> Plan:
        """As many as it takes."""
        return Plan(self.copies, self.error)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not seen_by(self.name, query):
            return query

        async def vote(answers: Sequence[Answer]) -> Vote:
            larger = by_class(answers, declines, lambda _: 0)
            side = declines(answers[larger.winner])
            inside = [i for i, answer in enumerate(answers) if declines(answer) is side]
            texts = [answers[i].text for i in inside]
            rows = await via.batch(Embedder(self.embedder), texts)
            found = agreed([answers[i] for i in inside], rows, self.alike, "first")
            return Vote(inside[found.winner], found.lead)

        def view(number: int) -> Query:
            return self.view(query, number)

        return await smooth(query, via, self.plan, view=view, vote=vote)


@dataclass(frozen=True)
class SmoothVLMPaper(_Scattered):
    """Every copy is asked; a keyword anywhere makes an answer a refusal; of the larger class a
    model's own answer is returned by lot."""

    name: str = "smoothvlm-paper"

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not seen_by(self.name, query):
            return query
        generator = torch.Generator().manual_seed(derive(query.defense_seed, "lot"))

        def draw(number: int) -> int:
            return int(torch.randint(number, (1,), generator=generator)) if self.stochastic else 0

        async def vote(answers: Sequence[Answer]) -> Vote:
            return by_class(answers, has_keyword, draw)

        def view(number: int) -> Query:
            return self.view(query, number)

        return await smooth(query, via, self.plan, view=view, vote=vote)


def without_loss(name: str, copies: int = 10) -> SmoothVLMPaper:
    """The control of the field's audit: the paper's own path, and no pixel is lost."""
    return SmoothVLMPaper(copies=copies, q=0.0, name=name)
