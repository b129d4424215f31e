"""Attacks that only ask: no gradient, and so many queries for each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch

from sallet.attacks.searching import Run, Search, Steps
from sallet.attacks.space import Space
from sallet.attacks.threat import Threat, floats
from sallet.attacks.trial import Trial
from sallet.core.errors import RecipeError
from sallet.core.goal import Goal
from sallet.core.guarded import randomised, varies
from sallet.core.protocols import Hostile, Judge, Model, Progress, Scored, silent
from sallet.core.query import Query
from sallet.core.seeds import derive

Objective: TypeAlias = Literal["scores", "answers"]


@dataclass(frozen=True, kw_only=True)
class QueryAttack:
    """A search by queries alone, on whatever model it is handed, near or remote, guarded or not.

    A sample costs at most `queries` of them, looks at probabilities and questions together. With
    `objective` *scores* it looks at the probability of the goal's text where the model shows any,
    and at answers alone where it shows none; with *answers* always at those. It ends when the judge
    says so of the 8-bit image: `confirm` times where the same may be answered otherwise (for fresh
    seeds of a random defence, or by a model that is not deterministic, as endpoints are). Where
    probabilities come without an answer, the model is asked when the likeliest words are what is
    wanted, and about the best image every `check_every` looks and at the end. `batch` samples are
    attacked side by side.
    """

    name: ClassVar[str] = "queries"
    eps: float = 8.0
    norm: str = "linf"
    queries: int = 500
    objective: Objective = "scores"
    check_every: int = 25
    confirm: int = 3
    batch: int = 32

    def __post_init__(self) -> None:
        for key, least in {"queries": 2, "check_every": 1, "confirm": 1, "batch": 1}.items():
            if getattr(self, key) < least:
                raise RecipeError(f"{key} must be at least {least}; it is {getattr(self, key)}")
        if self.objective not in ("scores", "answers"):
            raise RecipeError(f"objective must be scores or answers, not {self.objective!r}")
        _ = self.space

    @property
    def space(self) -> Space:
        """Where the search is: the ball of `eps`."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

    def search(self, search: Search) -> Steps:
        """The algorithm. Its first look should be at one point: it shows what the model gives."""
        raise NotImplementedError

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
        """One hostile query for each query, in order."""
        random = randomised(model)
        scored = self.objective == "scores" and isinstance(model, Scored)
        searches = [
            self._begin(q, g, seed, random, scored) for q, g in zip(queries, goals, strict=True)
        ]
        needed = self.confirm if varies(model) else 1
        return Run(self, model, searches, judge, needed, progress).run()

    def _begin(self, query: Query, goal: Goal, seed: int, random: bool, scored: bool) -> Search:
        own = derive(seed, "attack", query.digest, goal.text)
        clean = [floats(image) for image in query.images]
        if not clean:
            raise RecipeError(f"{self.name} changes images, and this query has none")
        trial = Trial(query, goal, own, clean, [self.space.origin(c) for c in clean], [])
        generator = torch.Generator().manual_seed(own)
        search = Search(trial, generator, random, scored, _nowhere())
        search.steps = self.search(search)
        search.wants = next(search.steps)
        return search


def _nowhere() -> Steps:
    yield []
