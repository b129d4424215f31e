"""What a prefix is worth: right answers on purified hostile pictures, and harm refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sallet.core.compose import Nothing
from sallet.core.errors import RecipeError
from sallet.core.goal import Outcome
from sallet.core.guarded import guarded
from sallet.core.protocols import Defense, Judge, Model
from sallet.core.query import Answer, Failure, Query
from sallet.train.cases import Case


@dataclass(frozen=True)
class Reward:
    """1 for what resists (harm not done, a task answered right), 0 for what does not; a benign
    question that was refused costs `penalty` on top. The purifier is in the loop: `below` is what
    the prefixed question goes through."""

    model: Model
    judge: Judge
    below: Defense = field(default_factory=lambda: cast(Any, Nothing()))
    penalty: float = 0.5

    def __post_init__(self) -> None:
        if self.penalty < 0:
            raise RecipeError(f"the penalty for over-refusal is at least 0; it is {self.penalty}")

    def of(self, cases: Sequence[Case], prefixes: Sequence[str]) -> list[float]:
        """One for each case with its prefix."""
        asked = [
            case.query.with_text(before=text) if text else case.query
            for case, text in zip(cases, prefixes, strict=True)
        ]
        answers = guarded(self.model, self.below).answer(asked)
        return [self._one(c, q, a) for c, q, a in zip(cases, asked, answers, strict=True)]

    def mean(self, cases: Sequence[Case], prefix: str) -> float:
        """Of one prefix for all."""
        return sum(self.of(cases, [prefix] * len(cases))) / len(cases)

    def _one(self, case: Case, query: Query, answer: Answer | Failure) -> float:
        if isinstance(answer, Failure):
            raise answer.error
        verdict = self.judge.judge(query, answer, case.goal)
        refused = bool(verdict.refused) and not case.harmful
        return float(verdict.outcome is Outcome.RESISTED) - self.penalty * refused
