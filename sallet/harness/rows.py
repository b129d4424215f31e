"""One sample of one cell, as answered and judged, to its `Row`."""

from __future__ import annotations

from dataclasses import dataclass

import sallet
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.protocols import Hostile, Judge
from sallet.core.sample import Sample
from sallet.harness.asking import is_right, refuser
from sallet.harness.attempts import Attempts
from sallet.harness.clean import Clean
from sallet.harness.plan import PlannedCell
from sallet.harness.second import Second
from sallet.harness.source import OnSource, fell
from sallet.runs.artifacts import Artifacts
from sallet.runs.record import Row

NO_SECOND = Second()


@dataclass(frozen=True)
class Arm:
    """What a cell's rows were made with."""

    model_revision: str
    defense_config: str
    attack_seconds: float  # of one sample's attack, shared out over its batch
    flags: tuple[str, ...]


def row(
    cell: PlannedCell,
    sample: Sample,
    clean: Clean,
    hostile: Hostile,
    attempts: Attempts,
    arm: Arm,
    artifacts: Artifacts,
    *,
    judge: Judge,
    there: OnSource | None = None,
    second: Second = NO_SECOND,
) -> Row:
    """The row; its images are saved beside it. `there` is what the source says of them."""
    on_source, right_there = fell(
        judge, hostile.query, sample.query, there or OnSource(()), attempts.goal, sample.default
    )
    reply, said = attempts.decisive
    verdict = assessable(said, clean.eligible, attempts.goal)
    return Row(
        cell=cell.digest,
        key=cell.key,
        sample=sample.id,
        cluster=sample.cluster,
        harmful=sample.harmful,
        question=sample.query.user_text,
        reference=sample.reference,
        wanted=None if attempts.goal.kind == "untargeted" else attempts.goal.text,
        answer=reply.text,
        outcome=verdict.outcome.value,
        reason=verdict.reason,
        right=is_right(verdict, attempts.goal),
        refused_by=refuser(verdict, reply.said),
        eligible=clean.eligible,
        clean_answer=clean.answer,
        clean_right=clean.right,
        clean_images=tuple(artifacts.save(image) for image in sample.query.images),
        hostile_images=tuple(artifacts.save(image) for image in hostile.query.images),
        defense_seeds=tuple(attempts.seeds[: len(attempts.made)]),
        attempts=len(attempts.made),
        asks=attempts.asks,
        seconds=attempts.seconds,
        loss_start=hostile.start,
        loss_end=hostile.end,
        steps=hostile.steps,
        gradient=hostile.gradient,
        flags=arm.flags,
        model_revision=arm.model_revision,
        defense_config=arm.defense_config,
        code=sallet.__version__,
        attack_seconds=arm.attack_seconds,
        attack_looks=hostile.looks,
        attack_asks=hostile.asks,
        tries=tuple(said.said for said, _ in attempts.made),
        votes=tuple(said.said for said in clean.replies),
        by=hostile.by,
        source_outcome=on_source,
        source_eligible=right_there,
        source_tries=there.tries if there else (),
        source_votes=there.votes if there else (),
        copies=reply.copies,
        category=sample.category,
        source_data=sample.revision,
        score=said.score,
        against=said.against,
        thoughts=said.thoughts,
        second_judge=second.judge,
        second_outcome=second.outcome,
        second_reason=second.reason,
        cached=all(said.cached for said in [*clean.replies, *(one for one, _ in attempts.made)]),
    )


def assessable(verdict: Verdict, eligible: bool | None, goal: Goal) -> Verdict:
    """To make a right answer wrong, it must be known whether it was right."""
    if goal.kind == "untargeted" and eligible is None:
        return Verdict(Outcome.UNASSESSED, f"unattacked pass not assessed; {verdict.reason}")
    return verdict
