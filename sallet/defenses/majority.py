"""Noisy copies and a plain vote: what any smoothing defence must beat."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

from sallet.core.errors import RecipeError
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.defenses.views import noisy


@dataclass(frozen=True)
class Majority:
    """Asks about `copies` noisy copies; returns the answer that most of them gave.

    Answers are compared as text, case and blanks aside. A tie goes to the answer that came first.
    The text that is returned is always a model's own; every copy's answer is kept beside it. With
    one copy and sigma 0 it is no defence at all.
    """

    copies: int = 5
    sigma: float = 0.1
    name: ClassVar[str] = "majority"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise RecipeError(f"majority needs at least 1 copy; it has {self.copies}")
        if not 0 <= self.sigma <= 1:
            raise RecipeError(f"majority sigma must be 0 to 1; it is {self.sigma}")

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        views = [noisy(query.fork(i), self.sigma) for i in range(self.copies)]
        answers = await via.ask(*views)
        ballots = Counter(" ".join(answer.text.lower().split()) for answer in answers)
        winner, _ = ballots.most_common(1)[0]
        chosen = next(a for a in answers if " ".join(a.text.lower().split()) == winner)
        return replace(chosen, copies=tuple(answers))
