"""Asks a guarded model, judges what it said, and counts what that cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.guarded import Guarded
from sallet.core.protocols import Judge
from sallet.core.query import Answer, Failure, Query


@dataclass(frozen=True)
class Reply:
    """An answer, how many model queries it took, and its share of the pooled time."""

    answer: Answer | Failure
    asks: float
    seconds: float

    @property
    def text(self) -> str | None:
        """What was said, if anything was."""
        return self.answer.text if isinstance(self.answer, Answer) else None


@dataclass
class Asker:
    """A guarded model that is never asked the same thing with the same defence seed twice."""

    guarded: Guarded
    _known: dict[tuple[str, int], Reply] = field(
        default_factory=dict[tuple[str, int], Reply], init=False
    )

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply for each query, in order, with one pooled call for all that is new."""
        keys = [(query.digest, query.defense_seed) for query in queries]
        new = {
            key: query for key, query in zip(keys, queries, strict=True) if key not in self._known
        }
        if new:
            began = time.perf_counter()
            answers = self.guarded.answer(list(new.values()))
            seconds = (time.perf_counter() - began) / len(new)
            asks = self.guarded.tally.items["model"] / len(new)
            self._known |= {
                key: Reply(answer, asks, seconds) for key, answer in zip(new, answers, strict=True)
            }
        return [self._known[key] for key in keys]


def judged(judge: Judge, query: Query, reply: Reply, goal: Goal) -> Verdict:
    """The judge's verdict; what cannot be judged is unassessed, and says why."""
    if isinstance(reply.answer, Failure):
        error = reply.answer.error
        return Verdict(Outcome.UNASSESSED, f"no answer: {type(error).__name__}: {error}")
    try:
        return judge.judge(query, reply.answer, goal)
    except Exception as error:
        return Verdict(Outcome.UNASSESSED, f"judge: {type(error).__name__}: {error}")


def is_right(verdict: Verdict, goal: Goal) -> bool | None:
    """Whether a task's answer is right: None where nobody can tell."""
    if verdict.right is not None or verdict.outcome is Outcome.UNASSESSED:
        return verdict.right
    return verdict.outcome is Outcome.RESISTED if goal.kind == "untargeted" else None


def refuser(verdict: Verdict, reply: Reply) -> str | None:
    """Who refused: whoever says so of itself, else the model if the judge reads a refusal."""
    if isinstance(reply.answer, Answer) and reply.answer.refused_by:
        return reply.answer.refused_by
    return "model" if verdict.refused else None
