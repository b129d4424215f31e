"""`Rehearsal`: a defence acted out for a white-box attacker, with gradients and without a model.

The coroutine is driven by hand. Workers run inline, so the graph goes through them. A question for
the answer is noted as a *view* and replied with the attacker's wish; any other question is replied
with what would let the attacker through, and the loss of making the model say so is added. A branch
is taken as the image takes it, or as the attacker wants it with a hinge on its margin; the loss of
a sample is its best branch's. Nothing here counts as success: `Guarded.answer` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from sallet.core.drive import Ask, Suspending, Task, Work, drive, wanted
from sallet.core.errors import ContractError
from sallet.core.goal import Goal
from sallet.core.offline import MAX_IN_FLIGHT, hand_out
from sallet.core.protocols import Defense, Trace, WhiteBox, trace
from sallet.core.query import Answer, Failure, Query

Votes: TypeAlias = Literal["mean", "majority"]

MAX_DECISIONS = 1_000


@dataclass(eq=False)
class Rehearsed:
    """What one sample's defence asked for in one rehearsal."""

    goal: Goal
    views: list[Query] = field(default_factory=list[Query])
    checks: list[tuple[Query, str]] = field(default_factory=list[tuple[Query, str]])
    hinges: list[Tensor] = field(default_factory=list[Tensor])
    branches: tuple[bool, ...] = ()
    refused: bool = False


@dataclass
class Rehearsal:
    """One acting-out of a defence on a batch. `branch` None is natural; else it is forced."""

    goals: Sequence[Goal]
    branch: bool | None = None
    slack: float = 0.05
    max_in_flight: int = MAX_IN_FLIGHT
    stages: list[Rehearsed] = field(default_factory=list[Rehearsed], init=False)

    def run(self, defense: Defense, queries: Sequence[Query]) -> list[Rehearsed]:
        """What each sample's defence showed the model; an error in it is raised, not hidden."""
        self.stages = [Rehearsed(goal) for goal in self.goals]
        ends = drive(self._jobs(defense, queries), self)
        for stage, end in zip(self.stages, ends, strict=True):
            if isinstance(end, Failure):
                raise end.error
            if isinstance(end, Query):
                stage.views.append(end)
            else:
                stage.refused = end.refused_by is not None or not stage.views
        return self.stages

    def _jobs(self, defense: Defense, queries: Sequence[Query]) -> Iterator[Any]:
        for query in queries:
            yield defense.guard(query, Suspending())

    def decide(self, root: int, margin: Tensor | float) -> bool:
        """The natural branch, or the forced one at the price of a hinge."""
        stage = self.stages[root]
        if len(stage.branches) >= MAX_DECISIONS:
            raise ContractError(
                f"a defence took {MAX_DECISIONS} decisions on one query: bound its loop, an "
                "attacker's branch may never end it"
            )
        value = margin if isinstance(margin, Tensor) else torch.tensor(float(margin))
        taken = bool(value.detach() > 0) if self.branch is None else self.branch
        if self.branch is not None:
            wrong_side = self.slack - value if self.branch else value + self.slack
            stage.hinges.append(torch.relu(wrong_side).reshape(()))
        stage.branches = (*stage.branches, taken)
        return taken

    def serve(self, waiting: list[Task]) -> list[tuple[Task, list[Any] | Failure]]:
        """Replies to questions at once; runs a worker, with gradients, when nobody asks."""
        asks = [(task, task.wish) for task in waiting if isinstance(task.wish, Ask)]
        if asks:
            return [(task, self._reply(task.root, ask)) for task, ask in asks]
        first = next(task.wish for task in waiting if isinstance(task.wish, Work))
        tasks = [t for t in waiting if isinstance(t.wish, Work) and t.wish.worker == first.worker]
        items = [item for task in tasks for item in wanted(task)]
        return hand_out(tasks, list(first.worker(items)))

    def _reply(self, root: int, ask: Ask) -> list[Any]:
        stage = self.stages[root]
        if ask.role == "answer":
            stage.views.extend(ask.queries)
            return [Answer(stage.goal.wish) for _ in ask.queries]
        evading = ask.evading or ""
        if evading:
            stage.checks.extend((query, evading) for query in ask.queries)
        return [Answer(evading) for _ in ask.queries]


def rehearse(
    model: WhiteBox,
    defense: Defense,
    queries: Sequence[Query],
    goals: Sequence[Goal],
    *,
    votes: Votes = "mean",
) -> Trace:
    """The attacker's loss through the defence, one number a sample: its best branch's.

    A sample that is refused on every branch has an infinite loss and a zero gradient. What it
    `says` is what all views of its natural branch say.
    """
    natural = Rehearsal(goals).run(defense, queries)
    losses, says = _losses(model, natural, votes)
    chosen = [i for i, stage in enumerate(natural) if stage.branches]
    for forced in (False, True):
        # Only where forcing changes the way that was taken.
        others = [i for i in chosen if any(b != forced for b in natural[i].branches)]
        if others:
            stages = Rehearsal([goals[i] for i in others], branch=forced).run(
                defense, [queries[i] for i in others]
            )
            for i, loss in zip(others, _losses(model, stages, votes)[0], strict=True):
                losses[i] = torch.minimum(losses[i], loss)
    finite = [
        loss if torch.isfinite(loss) else loss.detach() + _nothing(query)
        for loss, query in zip(losses, queries, strict=True)
    ]
    return Trace(torch.stack(finite), tuple(says))


def _losses(
    model: WhiteBox, stages: Sequence[Rehearsed], votes: Votes
) -> tuple[list[Tensor], list[bool | None]]:
    asked: list[tuple[Query, Goal]] = []
    for stage in stages:
        if not stage.refused:
            asked += [(view, stage.goal) for view in stage.views]
            asked += [(query, Goal.say(evading)) for query, evading in stage.checks]
    queries, goals = [q for q, _ in asked], [g for _, g in asked]
    every = trace(model, queries, goals) if asked else Trace(torch.zeros(0), ())
    losses: list[Tensor] = []
    says: list[bool | None] = []
    at = 0
    for stage in stages:
        if stage.refused:
            losses.append(torch.tensor(float("inf")))
            says.append(stage.goal.sign < 0)  # a refusal says nothing that was wanted
            continue
        end = at + len(stage.views)
        views, checks = every.loss[at:end], every.loss[end : end + len(stage.checks)]
        says.append(_agreed(every.says[at:end], stage.goal.sign))
        at = end + len(checks)
        loss = _vote(views, votes) + checks.sum()
        losses.append(torch.stack([loss, *(h.to(loss.device) for h in stage.hinges)]).sum())
    return losses, says


def _agreed(says: Sequence[bool | None], sign: int) -> bool | None:
    """What several views say together, on the side of caution: no sign unless all give it."""
    if None in says:
        return None
    return all(says) if sign > 0 else any(says)


def _vote(views: Tensor, votes: Votes) -> Tensor:
    """Mean, or the mean of the weakest majority: an attacker needs only so many votes."""
    if votes == "majority":
        views = views.sort().values[: len(views) // 2 + 1]
    return views.mean()


def _nothing(query: Query) -> Tensor:
    """Zero, with a zero gradient to the query's images."""
    zero = torch.zeros(())
    for image in query.images:
        zero = zero + image.tensor().sum().cpu() * 0
    return zero
