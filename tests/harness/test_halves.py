"""One thing for all samples: found on half of the clusters, laid on both, the same when resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sallet.core.errors import RecipeError
from sallet.harness.halves import halves
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.harness.work import work
from sallet.runs.parse import parse
from tests.harness.fakes import BRIGHTER, LAMP, POISON, Poison
from tests.harness.test_evaluate import run

POISONS = {**POISON, "clusters": 6, "reserved": 2, "limit": 24}
ONE = {"name": "universal", "goal": "jailbreak", "eps": 40, "steps": 8, "check_every": 4}
NOISE = {"name": "uniform-noise", "goal": "jailbreak", "eps": 40, "base": "grey"}
RECIPE: dict[str, Any] = {
    "name": "halves",
    "models": [LAMP],
    "benchmarks": [POISONS],
    "attacks": [ONE, NOISE],
    "attack_batch": 5,
}


def planned(**changes: Any):
    return plan(parse({**RECIPE, **changes}), Parts())


def test_no_cluster_is_in_both_halves_and_none_that_is_reserved_is_looked_at():
    samples = Poison(clusters=6, reserved=2).samples(24, 0)
    for seed in range(8):
        both = halves(samples, "toy/poison", seed)
        seen, unseen = ({s.cluster for s in half} for half in (both.seen, both.unseen))
        assert len(seen) == len(unseen) == 3
        assert not seen & unseen
        assert {"poison-0", "poison-1"} <= unseen
        assert both == halves(samples, "toy/poison", seed)
    drawn = [halves(samples, "toy/poison", seed).seen for seed in range(8)]
    assert len({frozenset(sample.cluster for sample in seen) for seen in drawn}) > 1


def test_a_reserved_sample_of_a_seen_cluster_is_tried_and_not_looked_at():
    samples = Poison(clusters=2).samples(8, 0)
    both = halves([*samples, *Poison(clusters=2, reserved=2).samples(4, 1)], "toy/poison", 0)
    assert len(both.seen) == 6
    assert len(both.crafting) == 4


def test_halves_of_one_cluster_are_none():
    with pytest.raises(RecipeError, match="1 clusters"):
        planned(benchmarks=[POISON])


def test_the_control_is_split_as_the_attack_is():
    cells = planned().cells
    assert [(c.key.attack, c.key.access, c.key.split) for c in cells] == [
        ("universal", "oblivious", "seen"),
        ("universal", "oblivious", "unseen"),
        ("uniform-noise", "none", "seen"),
        ("uniform-noise", "none", "unseen"),
    ]
    assert [s.id for s in cells[1].samples] == [s.id for s in cells[3].samples]
    plain = planned(attacks=[{"name": "uniform-noise", "goal": "jailbreak", "eps": 40}]).cells
    assert [(c.key.split, c.crafting) for c in plain] == [(None, ())]


def test_what_one_thing_costs_is_counted_once():
    todo = [(w.checks, w.gradients) for w in work(planned(), Parts())]
    assert todo == [(2 * 12, 8 * 8), (0, 0), (0, 0), (0, 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halves") / "run"
    run(folder, RECIPE)
    return folder


def test_one_image_breaks_what_it_was_not_found_on_and_noise_does_not(folder: Path):
    rows = run(folder, RECIPE, resume=True).rows
    fell = {
        (attack, split): [
            row.outcome == "success"
            for row in rows
            if (row.key.attack, row.key.split) == (attack, split)
        ]
        for attack in ("universal", "uniform-noise")
        for split in ("seen", "unseen")
    }
    assert {len(outcomes) for outcomes in fell.values()} == {12}
    assert all(fell["universal", "seen"] + fell["universal", "unseen"])
    assert not any(fell["uniform-noise", "seen"] + fell["uniform-noise", "unseen"])
    images = {row.hostile_images for row in rows if row.key.attack == "universal"}
    assert len(images) == 1


def test_a_resumed_run_uses_the_image_that_was_found_and_seeks_none(folder: Path):
    before = run(folder, RECIPE, resume=True).rows
    (found,), (noise,) = (
        {row.hostile_images for row in before if row.key.attack == name}
        for name in ("universal", "uniform-noise")
    )
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:7]))
    for batch in (folder / "artifacts" / "hostile").glob("*.json"):
        if len(json.loads(batch.read_bytes())["items"]) > 1:
            batch.unlink()  # what was laid is gone; what was found is another image now
        else:
            batch.write_text(batch.read_text().replace(found[0], noise[0]))
    after = run(folder, RECIPE, resume=True).rows
    assert {row.hostile_images for row in after[:7]} == {found}
    assert {row.hostile_images for row in after[7:]} == {noise}
    assert len(after) == len(before)


def test_an_attack_with_a_will_of_its_own_is_judged_by_it(tmp_path: Path):
    hijack = {
        "name": "hijack", "goal": "targeted", "behaviour": "string", "text": "left",
        "eps": 40, "steps": 8, "check_every": 4,
    }  # fmt: skip
    store = run(
        tmp_path / "run",
        {"models": [LAMP], "benchmarks": [{**BRIGHTER, "limit": 16}], "attacks": [hijack]},
    )
    assert {row.wanted for row in store.rows} == {"left"}
    assert {row.outcome for row in store.rows} == {"success"}
    with pytest.raises(RecipeError, match="has the goal targeted"):
        planned(attacks=[{**hijack, "goal": "untargeted"}])
