"""The loop: every cell, batch by batch; a batch's rows are written before the next one begins."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from sallet.core.compose import Pinned
from sallet.core.guarded import Guarded
from sallet.core.protocols import Model
from sallet.core.query import Query
from sallet.core.sample import Sample
from sallet.harness import seeds
from sallet.harness.asking import Asker
from sallet.harness.attempts import Attempts, submit
from sallet.harness.clean import clean_pass
from sallet.harness.hostile import hostile
from sallet.harness.identity import defense_digest, identity
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, PlannedCell, goal_of
from sallet.harness.preflight import preflight
from sallet.harness.probe import stateful
from sallet.harness.revision import revision
from sallet.harness.rows import Arm, row
from sallet.harness.second import Second, second_name, seconded
from sallet.harness.source import OnSource, on_source
from sallet.harness.watch import Silent, Watch
from sallet.runs.answers import Answers
from sallet.runs.recipe import DefenseSpec, Spec, digest, members
from sallet.runs.store import Store

BARE = DefenseSpec((Spec("none"),))


def evaluate(
    plan: Plan,
    store: Store,
    parts: Parts,
    watch: Watch | None = None,
    *,
    cache: Answers | None = None,
    cache_endpoints: bool = False,
) -> None:
    """Writes every row of the plan that the store does not have yet.

    Answers that `cache` knows are not asked for again; an endpoint's only if the caller says so.
    """
    for name in dict.fromkeys(cell.key.judge for cell in plan.cells):
        second = second_name(plan.recipe, name)
        for one in (name, second):
            if one is not None:
                parts.judge(one)
    preflight(plan)
    store.asks()
    store.expect(sum(len(cell.samples) for cell in plan.cells))
    known = cache or Answers()
    Evaluation(plan, store, parts, watch or Silent(), known, cache_endpoints).run()
    store.arrange(plan.order)


@dataclass
class Evaluation:
    """The state of a loop: models that are loaded, answers that are known."""

    plan: Plan
    store: Store
    parts: Parts
    watch: Watch
    cache: Answers
    cache_endpoints: bool
    askers: dict[str, Asker] = field(default_factory=dict[str, Asker], init=False)
    sources: dict[str, Asker] = field(default_factory=dict[str, Asker], init=False)
    stateful: dict[str, bool] = field(default_factory=dict[str, bool], init=False)
    model: Spec | None = field(default=None, init=False)
    revision: str = field(default="", init=False)

    def run(self) -> None:
        """Every cell; what was loaded is left out of looking for garbage until the end."""
        try:
            self._run()
        finally:
            gc.unfreeze()

    def _run(self) -> None:
        size = self.plan.recipe.attack_batch
        for number, cell in enumerate(self.plan.cells, start=1):
            self.watch.cell(cell.key, number, len(self.plan.cells))
            for start in range(0, len(cell.samples), size):
                batch = cell.samples[start : start + size]
                self.watch.batch(len(batch))
                if any(not self.store.has(cell.digest, sample.id) for sample in batch):
                    self.batch(cell, batch)
                self.watch.rows(len(batch))

    def batch(self, cell: PlannedCell, batch: Sequence[Sample]) -> None:
        """Attacks the whole batch, as the first time, and writes the rows that are missing."""
        began = time.perf_counter()
        seed, benchmark = self.plan.recipe.seed, cell.benchmark.name
        judge = self.parts.judge(cell.key.judge)
        asker = self._asker(cell)
        flags = self._flags(cell, batch, asker)  # before the attack: it may change a state
        made = hostile(
            cell,
            batch,
            parts=self.parts,
            judge=judge,
            store=self.store,
            seed=seed,
            progress=self.watch.steps,
        )
        pending = [
            (sample, one)
            for sample, one in zip(batch, made.hostiles, strict=True)
            if not self.store.has(cell.digest, sample.id)
        ]
        samples = [sample for sample, _ in pending]
        clean = clean_pass(asker, judge, samples, benchmark, seed, cell.pinned)
        attempts = [
            Attempts(one.query, goal_of(cell, sample), self._seeds(cell, sample, asker))
            for sample, one in pending
        ]
        submit(asker, judge, attempts)
        arm = Arm(
            model_revision=self.revision,
            defense_config=defense_digest(cell.defense, self.parts),
            attack_seconds=made.seconds / len(batch),
            flags=(*made.flags, *flags),
        )
        seconds = self._seconds(cell, attempts)
        there = self._there(cell, samples, [one.query for _, one in pending])
        rows = [
            row(
                cell,
                sample,
                before,
                one,
                tried,
                arm,
                self.store.artifacts,
                judge=judge,
                there=own,
                second=second,
            )
            for (sample, one), before, tried, own, second in zip(
                pending, clean, attempts, there, seconds, strict=True
            )
        ]
        self.store.append(rows, time.perf_counter() - began)

    def _seconds(self, cell: PlannedCell, attempts: Sequence[Attempts]) -> list[Second]:
        """The second judge's view of the answers that decide."""
        name = second_name(self.plan.recipe, cell.key.judge)
        judge = None if name is None else self.parts.judge(name)
        return seconded(judge, [(one.query, one.decisive[0], one.goal) for one in attempts])

    def _there(
        self, cell: PlannedCell, samples: Sequence[Sample], hostile: Sequence[Query]
    ) -> Sequence[OnSource | None]:
        """What the source says of images that were made on it for another model."""
        if cell.source is None:
            return [None] * len(samples)
        return on_source(cell, samples, hostile, [self._source(s) for s in members(cell.source)])

    def _source(self, spec: Spec) -> tuple[Model, Asker]:
        """A bare source; what it said is known for all models that its images are sent to."""
        model, key = self.parts.model(spec), repr(spec)
        if key not in self.sources:
            own = identity(model, spec, revision(model), endpoints=self.cache_endpoints)
            whole = None if own is None else digest([own, defense_digest(BARE, self.parts)])
            guarded = Guarded(model, self.parts.defense(BARE))
            self.sources[key] = Asker(guarded, self.cache, whole)
        return model, self.sources[key]

    def _flags(self, cell: PlannedCell, batch: Sequence[Sample], asker: Asker) -> list[str]:
        """What is said of the cell beside what its attack says; a probe is made once for each
        guarded model, before its first attack."""
        defense = asker.guarded.defense
        pinned = isinstance(defense, Pinned) and defense.defense.stochastic
        flags = ["fixed-seed"] if pinned else []
        if cell.attack.blind:
            return flags
        key = digest(asdict(cell.defense))
        if key not in self.stateful:
            goals = [goal_of(cell, sample) for sample in batch]
            self.stateful[key] = stateful(asker.guarded, [s.query for s in batch], goals)
        if self.stateful[key]:
            flags.append("state-between-calls")
        return flags

    def _asker(self, cell: PlannedCell) -> Asker:
        """One for each defence, for as long as the model stays: clean answers are kept in it."""
        if cell.model != self.model:
            self._forget(cell)
            self.askers, self.stateful, self.model = {}, {}, cell.model
            self.revision = revision(self.parts.model(cell.model))
            self.store.pin(cell.key.model, self.revision)
            gc.freeze()  # a look through all that torch and a model have takes a third of a second
        key = digest(asdict(cell.defense))
        if key not in self.askers:
            model = self.parts.model(cell.model)
            guarded = Guarded(model, self.parts.defense(cell.defense, cell.pinned))
            own = identity(model, cell.model, self.revision, endpoints=self.cache_endpoints)
            whole = None if own is None else digest([own, defense_digest(cell.defense, self.parts)])
            self.askers[key] = Asker(guarded, self.cache, whole)
        return self.askers[key]

    def _forget(self, cell: PlannedCell) -> None:
        """Frees the model before this cell's, whose parts may hold on to one another."""
        self.parts.forget_models(cell.model, *self.plan.recipe.sources)
        if self.model is not None:
            self.askers = {}
            gc.unfreeze()
            gc.collect()

    def _seeds(self, cell: PlannedCell, sample: Sample, asker: Asker) -> list[int]:
        """One evaluation seed for each submission that may differ from the first.

        Resubmission is an attacker's move: a benign sample that nobody attacks is sent once.
        """
        if cell.pinned is not None:
            return [cell.pinned]
        varies = asker.guarded.defense.stochastic or sample.query.sampling.temperature > 0
        hunted = sample.harmful or cell.attack.goal is not None
        times = self.plan.recipe.resubmissions if varies and hunted else 1
        benchmark, seed = cell.benchmark.name, self.plan.recipe.seed
        return [seeds.evaluation(seed, benchmark, sample.id, i) for i in range(times)]
