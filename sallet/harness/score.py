"""The answers of a run, judged again by another judge; no model is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from sallet.core.errors import StoreError
from sallet.core.goal import Goal, Outcome
from sallet.core.image import Image
from sallet.core.protocols import Pooled
from sallet.core.query import Answer, Query
from sallet.harness.asking import Reply, heard, is_right, judged_all, refuser
from sallet.harness.attempts import deciding
from sallet.harness.clean import eligible
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, PlannedCell, goal_of
from sallet.harness.rows import assessable
from sallet.harness.second import Second, second_name
from sallet.harness.source import OnSource, fell
from sallet.media.file import ImageFile
from sallet.runs.artifacts import Artifacts
from sallet.runs.recipe import digest
from sallet.runs.record import CellKey, Row, Said
from sallet.runs.store import Store

BATCH = 100  # rows that are written together


@dataclass(frozen=True)
class Losses:
    """How many rows were judged again on less than a new run would have; see `Score`."""

    short: int = 0
    thin: int = 0

    def __add__(self, other: Losses) -> Losses:
        return Losses(self.short + other.short, self.thin + other.thin)


@dataclass(frozen=True)
class Score:
    """A row judged again, and whether what it rests on is less than a new run would have.

    `short`: the first judge saw a success and nothing more was sent; this one sees none.
    `thin`: the row is of a format that kept one answer, not all of them.
    """

    row: Row
    short: bool
    thin: bool


def score(
    old: Store,
    store: Store,
    plan: Plan,
    parts: Parts,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Losses:
    """Writes every row of `old` into `store`, as judged now; those that it has stay."""
    scorer = Scorer(plan, old.artifacts, parts)
    store.rescores(old)
    todo = [row for row in old.rows if not store.has(scorer.cell(row).digest, row.sample)]
    losses = Losses()
    for start in range(0, len(todo), BATCH):
        scorer.ask_ahead(todo[start : start + BATCH])
        made = [scorer.score(row) for row in todo[start : start + BATCH]]
        store.append([one.row for one in made])
        losses += Losses(sum(one.short for one in made), sum(one.thin for one in made))
        progress(start + len(made), len(todo))
    return losses


class Scorer:
    """Judges rows by the judge of `plan`: the run's own recipe with another judge in it."""

    def __init__(self, plan: Plan, artifacts: Artifacts, parts: Parts) -> None:
        self._cells = {unjudged(cell.key): cell for cell in plan.cells}
        self._samples = {c.digest: {one.id: one for one in c.samples} for c in plan.cells}
        self._artifacts, self._parts, self._recipe = artifacts, parts, plan.recipe

    def cell(self, row: Row) -> PlannedCell:
        """The row's cell under the new judge."""
        cell = self._cells.get(unjudged(row.key))
        if cell is None or row.sample not in self._samples[cell.digest]:
            raise StoreError(
                f"the recipe has no sample {row.sample!r} of {row.key.benchmark} any more; score "
                f"the run with the sallet that made it ({row.code})"
            )
        return cell

    def ask_ahead(self, rows: Sequence[Row]) -> None:
        """Asks a judge that asks a model about all of these rows at once; it remembers."""
        wanted: dict[str, list[tuple[Query, Reply, Goal]]] = {}
        for row in rows:
            cell = self.cell(row)
            sample = self._samples[cell.digest][row.sample]
            for said in row.tries:
                if said.text is not None:
                    answer = Answer(said.text, refused_by=said.refused_by, finish=said.finish)
                    item = (sample.query, Reply(answer, 0, 0), goal_of(cell, sample))
                    wanted.setdefault(cell.key.judge, []).append(item)
        for name, items in wanted.items():
            if isinstance(self._parts.judge(name), Pooled):
                judged_all(self._parts.judge(name), items)

    def score(self, row: Row) -> Score:
        """The row as it would have been written."""
        cell = self.cell(row)
        sample, judge = self._samples[cell.digest][row.sample], self._parts.judge(cell.key.judge)
        tries = row.tries or (_only(row),)
        votes = row.votes or (Said(row.clean_answer, error="not kept"),)
        goal = goal_of(cell, sample)
        hostile = sample.query.with_images(_images(row, self._artifacts))
        verdicts = [heard(judge, hostile, said, goal) for said in tries]
        number = deciding(verdicts)
        said = verdicts[number]
        rights = [
            is_right(heard(judge, sample.query, said, sample.default), sample.default)
            for said in votes
        ]
        name = second_name(self._recipe, cell.key.judge)
        second = Second()
        if name is not None:
            other = heard(self._parts.judge(name), hostile, tries[number], goal)
            second = Second(name, other.outcome.value, other.reason)
        sent = max(row.attempts, len(row.tries))
        able = eligible(sample, rights)
        verdict = assessable(said, able, goal)
        there = OnSource(row.source_tries, row.source_votes)
        on_source, right_there = fell(judge, hostile, sample.query, there, goal, sample.default)
        again = replace(
            row,
            cell=cell.digest,
            key=cell.key,
            answer=tries[number].text,
            attempts=number + 1 if verdict.outcome is Outcome.SUCCESS else sent,
            outcome=verdict.outcome.value,
            reason=verdict.reason,
            right=is_right(verdict, goal),
            refused_by=refuser(verdict, tries[number]),
            eligible=able,
            clean_right=rights[0],
            category=sample.category,
            score=said.score,
            against=said.against,
            thoughts=said.thoughts,
            second_judge=second.judge,
            second_outcome=second.outcome,
            second_reason=second.reason,
            source_outcome=on_source,
            source_eligible=right_there,
        )
        stopped = sent < row.key.resubmissions and row.outcome == Outcome.SUCCESS
        return Score(again, stopped and verdict.outcome is not Outcome.SUCCESS, not row.tries)


def _only(row: Row) -> Said:
    """What a row of the first format kept; that the model refused was its judge's finding."""
    written = row.refused_by if row.refused_by != "model" else None
    return Said(row.answer, written, error=None if row.answer is not None else row.reason)


def _images(row: Row, artifacts: Artifacts) -> list[Image]:
    """The hostile images, read when a judge looks; one that is gone leaves its row unassessed."""
    return [Image(ImageFile(artifacts.path(one))) for one in row.hostile_images]


def unjudged(key: CellKey) -> str:
    """What a cell is whoever judges it."""
    return digest(asdict(replace(key, judge="")))
