"""What hostile images do to the source that they were made on: success there is not transfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.errors import ModelError
from sallet.core.goal import Goal, Outcome
from sallet.core.protocols import Choosing, Judge, Model
from sallet.core.query import Answer, Failure, Query
from sallet.core.sample import Sample
from sallet.harness.asking import Asker, Reply, heard, is_right
from sallet.harness.plan import PlannedCell, goal_of
from sallet.runs.record import Said


@dataclass(frozen=True)
class OnSource:
    """Of one sample: what each member of the source said of the hostile image, and of the clean.

    What is no ensemble is its one member. An encoder, which answers nothing, says which of the
    cell's answers it would choose for the picture. The clean image is asked about only where a
    right answer is to be left.
    """

    tries: tuple[Said, ...]
    votes: tuple[Said, ...] = ()


def on_source(
    cell: PlannedCell,
    samples: Sequence[Sample],
    hostile: Sequence[Query],
    members: Sequence[tuple[Model, Asker]],
) -> list[OnSource]:
    """One for each sample, in order; every member is the bare model."""
    texts = choices(cell)
    clean = [s.query for s in samples] if cell.attack.goal == "untargeted" else []
    spoken = [_say(*member, [*hostile, *clean], texts) for member in members]
    each = list(zip(*spoken, strict=True))
    votes = each[len(hostile) :] or [()] * len(hostile)
    return [OnSource(t, v) for t, v in zip(each[: len(hostile)], votes, strict=True)]


def choices(cell: PlannedCell) -> list[str]:
    """What an encoder may choose from: every right and every wanted answer of the cell.

    Nothing where the attacker wants a refusal gone: no picture shows a refusal.
    """
    if cell.attack.goal == "jailbreak":
        return []
    wanted = {goal_of(cell, sample).text for sample in cell.samples}
    return sorted(wanted | {sample.default.text for sample in cell.samples})


def fell(
    judge: Judge, hostile: Query, clean: Query, said: OnSource, goal: Goal, default: Goal
) -> tuple[str | None, bool | None]:
    """The outcome, a success only where every member fell; and whether every member was right of
    the clean image (untargeted: else there was nothing to leave)."""
    if not said.tries:
        return None, None
    outcomes = {heard(judge, hostile, one, goal).outcome for one in said.tries}
    rights = [is_right(heard(judge, clean, one, default), default) for one in said.votes]
    right = None if None in rights or not rights else all(rights)
    for outcome in (Outcome.RESISTED, Outcome.UNASSESSED):
        if outcome in outcomes:
            return outcome.value, right
    return Outcome.SUCCESS.value, right


def _say(model: Model, asker: Asker, queries: Sequence[Query], texts: Sequence[str]) -> list[Said]:
    if not isinstance(model, Choosing):
        return [reply.said for reply in asker.ask([q.with_defense_seed(0) for q in queries])]
    if not texts:
        error = ModelError("an encoder answers nothing, and chooses no answer that complies")
        return [Reply(Failure(error), 0, 0).said for _ in queries]
    return [Reply(Answer(text), 0, 0).said for text in model.choose(queries, texts)]
