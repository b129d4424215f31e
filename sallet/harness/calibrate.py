"""What a plan will cost, from one batch of answers and one gradient step on the actual model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.errors import NoGradient
from sallet.core.guarded import Guarded
from sallet.core.image import Image
from sallet.core.protocols import WhiteBox
from sallet.core.query import Failure
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, PlannedCell, goal_of
from sallet.harness.work import Work, work
from sallet.runs.recipe import DefenseSpec, Spec

BATCH = 8


@dataclass(frozen=True)
class Price:
    """Of one guarded answer and one gradient through the guard; None where there is none."""

    calls: float
    answer_seconds: float
    gradient_seconds: float | None


@dataclass(frozen=True)
class Estimate:
    """One cell's work, at most; `seconds` is None where a gradient could not be had."""

    cell: PlannedCell
    work: Work
    calls: float
    seconds: float | None


def estimate(plan: Plan, parts: Parts) -> list[Estimate]:
    """One estimate for each cell."""
    prices: dict[str, Price] = {}

    def price(model: Spec, defense: DefenseSpec | None, cell: PlannedCell, grad: bool) -> Price:
        key = repr((model, defense, cell.benchmark.name, grad))
        if key not in prices:
            prices[key] = _price(model, defense, cell, parts, grad)
        return prices[key]

    estimates: list[Estimate] = []
    for cell, todo in zip(plan.cells, work(plan, parts), strict=True):
        guarded = price(cell.model, cell.defense, cell, False)
        calls, seconds = todo.answers * guarded.calls, todo.answers * guarded.answer_seconds
        if todo.gradients:
            seen = price(cell.source or cell.model, todo.looked_at, cell, True)
            calls += todo.checks * seen.calls
            seconds += todo.checks * seen.answer_seconds
            if seen.gradient_seconds is None:
                seconds = None
            else:
                seconds += todo.gradients * seen.gradient_seconds
        estimates.append(Estimate(cell, todo, calls, seconds))
    return estimates


def _price(
    model: Spec, defense: DefenseSpec | None, cell: PlannedCell, parts: Parts, grad: bool
) -> Price:
    loaded = parts.model(model)
    built = parts.defense(defense or DefenseSpec((Spec("none"),)))
    guarded, samples = Guarded(loaded, built), cell.samples[:BATCH]
    queries = [sample.query for sample in samples]
    guarded.answer(queries[:1])  # the first call also pays for what is set up once
    began = time.perf_counter()
    answers = guarded.answer(queries)
    seconds = (time.perf_counter() - began) / len(queries)
    for answer in answers:
        if isinstance(answer, Failure):
            raise answer.error
    calls = guarded.tally.items["model"] / len(queries)
    return Price(calls, seconds, _gradient(guarded, cell, samples) if grad else None)


def _gradient(guarded: Guarded, cell: PlannedCell, samples: Sequence) -> float | None:
    if not isinstance(guarded.model, WhiteBox):
        return None
    goals = [goal_of(cell, sample) for sample in samples]
    queries = [
        sample.query.map_images(lambda image: Image(image.tensor().requires_grad_()))
        for sample in samples
    ]
    try:
        began = time.perf_counter()
        guarded.loss(queries, goals).sum().backward()
        return (time.perf_counter() - began) / len(queries)
    except NoGradient:
        return None
