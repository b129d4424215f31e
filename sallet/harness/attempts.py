"""Resubmission: the same hostile file, sent again and again, succeeds if any answer gives in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.protocols import Judge
from sallet.core.query import Query
from sallet.harness.asking import Asker, Reply, judged_all


@dataclass
class Attempts:
    """Everything that was sent for one sample, in order."""

    query: Query
    goal: Goal
    seeds: Sequence[int]
    made: list[tuple[Reply, Verdict]] = field(default_factory=list[tuple[Reply, Verdict]])

    @property
    def decisive(self) -> tuple[Reply, Verdict]:
        """The success; without one the first that nobody could judge; without that the last."""
        return self.made[deciding([verdict for _, verdict in self.made])]

    @property
    def running(self) -> bool:
        """Whether an attacker would send it again."""
        won = any(verdict.outcome is Outcome.SUCCESS for _, verdict in self.made)
        return not won and len(self.made) < len(self.seeds)

    @property
    def asks(self) -> float:
        """Model queries for one answer."""
        return sum(reply.asks for reply, _ in self.made) / len(self.made)

    @property
    def seconds(self) -> float:
        """Seconds for one answer."""
        return sum(reply.seconds for reply, _ in self.made) / len(self.made)


def submit(asker: Asker, judge: Judge, samples: Sequence[Attempts]) -> None:
    """Sends every sample once for each of its seeds, or until it succeeds; pools each round."""
    while running := [sample for sample in samples if sample.running]:
        queries = [one.query.with_defense_seed(one.seeds[len(one.made)]) for one in running]
        replies = asker.ask(queries)
        items = [(q, r, one.goal) for one, q, r in zip(running, queries, replies, strict=True)]
        for one, reply, verdict in zip(running, replies, judged_all(judge, items), strict=True):
            one.made.append((reply, verdict))


def deciding(verdicts: Sequence[Verdict]) -> int:
    """Which verdict decides: the first success, else the first unassessed, else the last."""
    for outcome in (Outcome.SUCCESS, Outcome.UNASSESSED):
        for number, verdict in enumerate(verdicts):
            if verdict.outcome is outcome:
                return number
    return len(verdicts) - 1
