"""What a plan will cost, from one batch of answers and one gradient step on the actual model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sallet.core.errors import ModelError, NoGradient
from sallet.core.guarded import Guarded
from sallet.core.image import Image
from sallet.core.query import Failure
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, PlannedCell, goal_of
from sallet.harness.work import Work, work
from sallet.runs.recipe import DefenseSpec, Spec

BATCH = 8
NOTHING = DefenseSpec((Spec("none"),))


@dataclass(frozen=True)
class Estimate:
    """One cell's work, at most; `seconds` is None where a gradient, or the model, is missing."""

    cell: PlannedCell
    work: Work
    calls: float
    seconds: float | None


def estimate(plan: Plan, parts: Parts) -> list[Estimate]:
    """One estimate for each cell."""
    prices = _Prices(parts)
    missing = _missing(plan, parts)
    return [
        Estimate(cell, todo, float(todo.answers), None)
        if repr(cell.model) in missing or repr(cell.source) in missing
        else _estimate(cell, todo, prices)
        for cell, todo in zip(plan.cells, work(plan, parts), strict=True)
    ]


def _missing(plan: Plan, parts: Parts) -> set[str]:
    """The models that cannot be loaded here, to be looked for once each."""
    models = {repr(one): one for cell in plan.cells for one in (cell.model, cell.source) if one}
    missing: set[str] = set()
    for key, spec in models.items():
        parts.forget_models()
        try:
            parts.model(spec)
        except ModelError:
            missing.add(key)
    return missing


def _estimate(cell: PlannedCell, todo: Work, prices: _Prices) -> Estimate:
    calls, seconds = prices.answer(cell.model, cell.defense, cell)
    calls, seconds = todo.answers * calls, todo.answers * seconds
    if not todo.gradients:
        return Estimate(cell, todo, calls, seconds)
    target, seen = cell.source or cell.model, todo.looked_at or NOTHING
    more, longer = prices.answer(target, seen, cell, must=cell.source is None)
    calls, seconds = calls + todo.checks * more, seconds + todo.checks * longer
    gradient = prices.gradient(target, seen, cell)
    whole = None if gradient is None else seconds + todo.gradients * gradient
    return Estimate(cell, todo, calls, whole)


@dataclass
class _Prices:
    """What one sample costs through each guarded model, measured once on a few samples."""

    parts: Parts
    _answers: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)
    _gradients: dict[str, float | None] = field(default_factory=dict, init=False)

    def answer(
        self, model: Spec, defense: DefenseSpec, cell: PlannedCell, *, must: bool = True
    ) -> tuple[float, float]:
        """Model queries and seconds for one answer; nothing for a source that gives none."""
        key = repr((model, defense))
        if key not in self._answers:
            guarded = Guarded(self.parts.model(model), self.parts.defense(defense))
            queries = [sample.query for sample in cell.samples[:BATCH]]
            guarded.answer(queries[:1])  # the first call also pays for what is set up once
            began = time.perf_counter()
            answers = guarded.answer(queries)
            seconds = (time.perf_counter() - began) / len(queries)
            for answer in answers:
                if isinstance(answer, Failure):
                    if must:
                        raise answer.error
                    return 0.0, 0.0
            self._answers[key] = guarded.tally.items["model"] / len(queries), seconds
        return self._answers[key]

    def gradient(self, model: Spec, defense: DefenseSpec, cell: PlannedCell) -> float | None:
        """Seconds for one sample's gradient; None where there is none."""
        key = repr((model, defense))
        if key not in self._gradients:
            guarded = Guarded(self.parts.model(model), self.parts.defense(defense))
            self._gradients[key] = _step(guarded, cell)
        return self._gradients[key]


def _step(guarded: Guarded, cell: PlannedCell) -> float | None:
    samples = cell.samples[:BATCH]
    queries = [
        sample.query.map_images(lambda image: Image(image.tensor().requires_grad_()))
        for sample in samples
    ]
    try:
        began = time.perf_counter()
        loss = guarded.loss(queries, [goal_of(cell, sample) for sample in samples]).sum()
        if loss.requires_grad:
            loss.backward()
        seconds = (time.perf_counter() - began) / len(samples)
        # A question in words alone has no picture to go back to; the way back is two there.
        return seconds if loss.requires_grad else seconds * 3
    except NoGradient:
        return None
