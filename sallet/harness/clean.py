"""The unattacked pass: what a guarded model says of the clean image, and whether it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.protocols import Judge
from sallet.core.query import Query
from sallet.core.sample import Sample
from sallet.harness import seeds
from sallet.harness.asking import Asker, Reply, is_right, judged_all

VOTES = 3


@dataclass(frozen=True)
class Clean:
    """`eligible`: right by the majority of its votes, so that an attack can make it wrong.

    `right` and the first of `replies` are of one more pass, on the seed that attacked images are
    judged on: an eligible sample that is not right there flipped without any attack.
    """

    eligible: bool | None
    right: bool | None
    replies: tuple[Reply, ...]

    @property
    def answer(self) -> str | None:
        """What was said on the evaluation's own seed."""
        return self.replies[0].text


def clean_pass(
    asker: Asker,
    judge: Judge,
    samples: Sequence[Sample],
    benchmark: str,
    seed: int,
    pinned: int | None = None,
) -> list[Clean]:
    """One `Clean` for each sample, in order; all on the pinned defence seed, if there is one."""
    stochastic = asker.guarded.defense.stochastic
    asked: list[list[Query]] = [
        [sample.query.with_defense_seed(pinned)]
        if pinned is not None
        else _queries(sample, benchmark, seed, stochastic)
        for sample in samples
    ]
    every = asker.ask([query for queries in asked for query in queries])
    replies = iter(every)
    goals = [sample.default for sample, own in zip(samples, asked, strict=True) for _ in own]
    flat = [query for queries in asked for query in queries]
    verdicts = iter(judged_all(judge, list(zip(flat, every, goals, strict=True))))
    results: list[Clean] = []
    for sample, queries in zip(samples, asked, strict=True):
        own = [next(replies) for _ in queries]
        rights = [is_right(next(verdicts), sample.default) for _ in queries]
        results.append(Clean(eligible(sample, rights), rights[0], tuple(own)))
    return results


def eligible(sample: Sample, rights: Sequence[bool | None]) -> bool | None:
    """Whether an attack can make it wrong; the votes come after the evaluation's own pass."""
    return None if sample.harmful else majority(rights[1:] or rights)


def majority(votes: Sequence[bool | None]) -> bool | None:
    """What more than half of all votes say, or None when unassessed votes could decide it."""
    for side in (True, False):
        if sum(vote is side for vote in votes) > len(votes) / 2:
            return side
    return None


def _queries(sample: Sample, benchmark: str, seed: int, stochastic: bool) -> list[Query]:
    """The evaluation's own seed first; then the votes, where votes can differ."""
    drawn = [seeds.evaluation(seed, benchmark, sample.id, 0)]
    if stochastic and not sample.harmful:
        drawn += [seeds.clean(seed, benchmark, sample.id, vote) for vote in range(VOTES)]
    return [sample.query.with_defense_seed(one) for one in drawn]
