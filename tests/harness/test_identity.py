"""On the same hostile files verdicts are the same, however many are asked at once, and by whom."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from sallet.api import evaluate
from sallet.harness import on_ray
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.runs.parse import parse
from sallet.runs.record import Row
from sallet.runs.store import opened

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not here")
RECIPE: dict[str, Any] = {
    "name": "identity",
    "benchmarks": [
        {"name": "world/where", "limit": 12},
        {"name": "world/harmful-text", "limit": 6},
    ],
    "attacks": ["none", {"name": "uniform-noise", "goal": "untargeted", "eps": 8}],
    "defenses": ["none", {"name": "majority", "copies": 3}],
    "resubmissions": 2,
    "attack_batch": 6,
}


def recipe(batch: int) -> dict[str, Any]:
    return {**RECIPE, "models": [{"name": "world/llava-weak", "max_batch": batch}]}


def told(rows: list[Row]) -> dict[tuple[object, ...], tuple[object, ...]]:
    """What was shown, said and judged, by where it stands: a cell's name has the batch in it."""
    return {
        (r.key.benchmark, r.key.attack, r.key.defense, r.sample): (
            r.clean_images, r.hostile_images, r.answer, r.outcome, r.reason, r.right, r.refused_by,
            r.eligible, r.second_outcome, r.tries, r.votes, r.copies, r.defense_seeds,
        )
        for r in rows
    }  # fmt: skip


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    run = evaluate(recipe(1), tmp_path_factory.mktemp("one") / "run")
    found = told(list(run.rows))
    assert len(found) == len(run.rows) == (12 * 2 + 6) * 2
    assert {outcome for _, _, _, outcome, *_ in found.values()} == {"success", "resisted"}
    return found


@pytest.mark.parametrize("batch", [7, 32])
def test_a_batch_of_any_size_is_judged_as_one_by_one(
    batch: int, one_by_one: dict[Any, Any], tmp_path: Path
):
    assert told(list(evaluate(recipe(batch), tmp_path / "run").rows)) == one_by_one


@needs_ray
def test_two_workers_say_the_same(one_by_one: dict[Any, Any], tmp_path: Path):
    planned = plan(parse(recipe(32)), Parts())
    with opened(tmp_path / "run", planned.recipe, resume=False) as store:
        on_ray.evaluate(planned, store, only={}, workers=2)
        assert told(store.rows) == one_by_one
