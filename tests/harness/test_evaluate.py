"""A whole evaluation on the lamp: real attacks, real defences, real files."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sallet.core.guarded import guarded
from sallet.core.query import Query
from sallet.defenses.rewrite import Jpeg
from sallet.harness import seeds
from sallet.harness.evaluate import evaluate
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.harness.summary import summarize
from sallet.runs.parse import parse
from sallet.runs.record import Row
from sallet.runs.store import Store, opened
from tests.harness.fakes import BRIGHTER, LAMP, POISON, Lamp

PGD = {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 6, "check_every": 3}
NOISY = {"name": "majority", "copies": 3, "sigma": 0.05}
RECIPE: dict[str, Any] = {
    "name": "lamp",
    "models": [LAMP],
    "benchmarks": [BRIGHTER, POISON],
    "attacks": [
        "none",
        PGD,
        {**PGD, "goal": "jailbreak", "eps": 40},
        {"name": "uniform-noise", "goal": "untargeted", "eps": 8},
    ],
    "defenses": ["none", "jpeg", NOISY],
    "attack_batch": 10,
}
TIMES = ("seconds", "attack_seconds")


def run(folder: Path, data: dict[str, Any], *, resume: bool = False) -> Store:
    parts = Parts()
    made = plan(parse(data), parts)
    with opened(folder, made.recipe, resume=resume) as store:
        evaluate(made, store, parts)
    return store


def untimed(row: Row) -> dict[str, Any]:
    return {key: value for key, value in asdict(row).items() if key not in TIMES}


@pytest.fixture(scope="module")
def lamp(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("lamp") / "run", RECIPE)


def pick(store: Store, **wanted: Any) -> list[Row]:
    rows = [
        row
        for row in store.rows
        if all(getattr(row.key, name) == value for name, value in wanted.items())
    ]
    assert rows
    return rows


def test_every_sample_of_every_cell_has_one_row(lamp: Store):
    cells = {row.cell for row in lamp.rows}
    assert len(cells) == 3 + 5 + 3 + 3 + 5
    assert len({(row.cell, row.sample) for row in lamp.rows}) == len(lamp.rows)
    assert len(lamp.rows) == 11 * 24 + 8 * 12


def test_attacks_move_answers_and_noise_does_not(lamp: Store):
    summary = summarize(lamp.manifest, lamp.rows)
    found = {(c["benchmark"], c["attack"], c["access"], c["defense"]): c for c in summary["cells"]}
    for benchmark in ("toy/brighter", "toy/poison"):
        assert found[benchmark, "pgd", "oblivious", "none"]["asr"][0] > 0.4
    assert found["toy/brighter", "uniform-noise", "none", "none"]["asr"][0] == 0
    assert found["toy/poison", "none", "none", "none"]["harmless"][0] == 1
    assert found["toy/poison", "none", "none", "none"]["refused_by"] == {"model": 12}
    unattacked = found["toy/brighter", "none", "none", "none"]
    assert unattacked["utility"][0] == pytest.approx(22 / 24)
    assert unattacked["over_refusal"][0] == 0
    assert unattacked["eligible"] == 22
    assert found["toy/brighter", "none", "none", "majority"]["calls_per_answer"] == 3


def test_one_set_of_images_meets_every_defence_that_was_a_surprise(lamp: Store):
    images = {
        (row.key.defense, row.sample): row.hostile_images
        for row in pick(lamp, attack="pgd", access="oblivious", benchmark="toy/brighter")
    }
    adaptive = {
        row.sample: row.hostile_images
        for row in pick(lamp, attack="pgd", access="adaptive", defense="jpeg", goal="untargeted")
    }
    samples = {sample for _, sample in images}
    for sample in samples:
        assert images["none", sample] == images["jpeg", sample] == images["majority", sample]
    assert any(images["jpeg", sample] != adaptive[sample] for sample in samples)


def test_what_is_judged_is_the_saved_file(lamp: Store):
    model = guarded(Lamp(), Jpeg())
    for row in pick(lamp, access="adaptive", benchmark="toy/brighter", defense="jpeg"):
        (clean,), (hostile,) = row.clean_images, row.hostile_images
        before, after = (
            lamp.artifacts.load(digest).pixels().astype(int) for digest in (clean, hostile)
        )
        assert 0 < np.abs(after - before).max() <= 8
        asked = Query.ask(lamp.artifacts.load(hostile), row.question)
        (again,) = model.answer([asked.with_defense_seed(row.defense_seeds[-1])])
        assert again.text == row.answer


def test_unattacked_rows_show_the_clean_image_and_no_wish(lamp: Store):
    for row in pick(lamp, attack="none"):
        assert row.hostile_images == row.clean_images
        assert row.answer == row.clean_answer
        assert (row.steps, row.loss_start) == (0, None)


def test_the_attackers_seeds_are_never_the_evaluations(lamp: Store):
    used = {seed for row in lamp.rows for seed in row.defense_seeds}
    drawn = {
        make(0, row.key.benchmark, row.sample, *rest)
        for row in lamp.rows
        for make, *rest in [
            (seeds.attacker,),
            *((seeds.clean, vote) for vote in range(3)),
        ]
    }
    assert used
    assert used.isdisjoint(drawn)


def test_a_resumed_run_has_the_same_rows_and_makes_no_attack_again(lamp: Store, tmp_path: Path):
    folder = tmp_path / "run"
    shutil.copytree(lamp.folder, folder)
    lines = (folder / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "rows.jsonl").write_bytes(b"".join(lines[:97]) + lines[97][:30])
    again = run(folder, RECIPE, resume=True)
    assert [untimed(row) for row in again.rows] == [untimed(row) for row in lamp.rows]
    assert [row.attack_seconds for row in again.rows] == [row.attack_seconds for row in lamp.rows]
    assert _timeless(summarize(again.manifest, again.rows)) == _timeless(
        summarize(lamp.manifest, lamp.rows)
    )


def test_what_was_loaded_is_looked_through_again_after_a_run(tmp_path: Path):
    two = [LAMP, {**LAMP, "blue": 0.5}]
    few = {**RECIPE, "models": two, "benchmarks": [BRIGHTER], "attacks": ["none"]}
    assert {row.key.model for row in run(tmp_path / "run", few).rows} == {"lamp"}
    assert gc.get_freeze_count() == 0


def test_a_run_again_from_nothing_has_the_same_rows(lamp: Store, tmp_path: Path):
    few = {**RECIPE, "benchmarks": [BRIGHTER], "attacks": ["none", PGD], "defenses": [NOISY]}
    again = run(tmp_path / "run", few)
    known = {(row.cell, row.sample): untimed(row) for row in lamp.rows}
    assert all(untimed(row) == known[row.cell, row.sample] for row in again.rows)


def test_what_cannot_be_answered_is_unassessed_and_says_why(tmp_path: Path):
    data = {
        **RECIPE,
        "benchmarks": [{**BRIGHTER, "fails_every": 4, "limit": 8}],
        "attacks": ["none", PGD],
        "defenses": ["none"],
    }
    store = run(tmp_path / "run", data)
    failed = [row for row in store.rows if row.outcome == "unassessed"]
    assert {row.sample for row in failed} == {"brighter-0", "brighter-4"}
    assert all("cannot read this" in row.reason for row in failed)
    assert all(row.right is None and row.eligible is None for row in failed)
    cells = summarize(store.manifest, store.rows)["cells"]
    assert [(cell["n"], cell["unassessed"]) for cell in cells] == [(8, 2), (8, 2)]
    assert cells[0]["utility"][0] == 1


def test_half_a_character_is_said_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LAMP_SAYS", "left \\ud83d \\U0001f600")
    data = {**RECIPE, "attacks": ["none"], "defenses": ["none"], "benchmarks": [BRIGHTER]}
    store = run(tmp_path / "run", data)
    assert {row.answer for row in Store.read(store.folder).rows} == {"left \ufffd \U0001f600"}


def test_resubmission_succeeds_where_any_answer_gives_in(tmp_path: Path):
    data = {
        **RECIPE,
        "benchmarks": [{**BRIGHTER, "wrong_every": 99}],
        "attacks": ["none", {**PGD, "eps": 4}],
        "defenses": [{"name": "noise", "sigma": 0.3}],
        "access": ["oblivious"],
    }
    once = run(tmp_path / "once", data)
    often = run(tmp_path / "often", {**data, "resubmissions": 6})
    won = {
        name: {row.sample for row in pick(store, attack="pgd") if row.outcome == "success"}
        for name, store in (("once", once), ("often", often))
    }
    assert won["once"] < won["often"]
    for row in pick(often, attack="pgd"):
        assert len(row.defense_seeds) == row.attempts
        assert row.attempts == 6 or row.outcome == "success"
        assert row.defense_seeds[0] == seeds.evaluation(0, "toy/brighter", row.sample, 0)
    assert {row.attempts for row in pick(often, attack="none")} == {1}


def test_transfer_uses_the_images_of_its_source(tmp_path: Path):
    other = {**LAMP, "name": "other", "blue": 0.5}
    data = {
        **RECIPE,
        "models": [other, LAMP],
        "benchmarks": [BRIGHTER],
        "attacks": [PGD],
        "defenses": ["none"],
        "access": ["oblivious", "transfer"],
        "sources": [other],
    }
    store = run(tmp_path / "run", data)
    made = {row.sample: row for row in pick(store, model="other")}
    for row in pick(store, access="transfer"):
        assert (row.key.model, row.key.source) == ("lamp", "other")
        assert row.hostile_images == made[row.sample].hostile_images


CONTRACT: dict[str, Callable[[Any], bool]] = {
    "model": lambda v: isinstance(v, str),
    "attack": lambda v: isinstance(v, str),
    "access": lambda v: v in ("none", "oblivious", "adaptive", "transfer"),
    "defense": lambda v: isinstance(v, str),
    "benchmark": lambda v: isinstance(v, str),
    "goal": lambda v: v in ("untargeted", "targeted", "jailbreak", None),
    "norm": lambda v: v in ("linf", "l2", None),
    "eps": lambda v: v is None or isinstance(v, (int, float)),
    "params": lambda v: isinstance(v, dict),
    "source": lambda v: v is None or isinstance(v, str),
    "resubmissions": lambda v: isinstance(v, int),
    "split": lambda v: v in ("seen", "unseen", None),
    "judge": lambda v: isinstance(v, str),
    "n": lambda v: isinstance(v, int),
    "unassessed": lambda v: isinstance(v, int),
    **dict.fromkeys(
        ("asr", "harmless", "over_refusal", "utility"),
        lambda v: v is None or (len(v) == 3 and 0 <= v[1] <= v[0] <= v[2] <= 1),
    ),
    "refused_by": lambda v: all(isinstance(n, int) for n in v.values()),
    "calls_per_answer": lambda v: isinstance(v, float),
    "seconds_per_answer": lambda v: isinstance(v, float),
}


def test_the_summary_keeps_the_contract(lamp: Store):
    lamp.write_summary(summarize(lamp.manifest, lamp.rows))
    summary = json.loads((lamp.folder / "summary.json").read_text())
    top = list(summary)[:6]
    assert top == ["recipe", "digest", "commit", "machine", "seconds", "cells"]
    assert [type(summary[key]) for key in top] == [str, str, str, str, float, list]
    for cell in summary["cells"]:
        for key, fits in CONTRACT.items():
            assert fits(cell[key]), (key, cell[key])
    assert {cell["split"] for cell in summary["cells"]} == {None}


def test_the_summary_is_of_the_rows_alone(lamp: Store):
    read = Store.read(lamp.folder)
    assert summarize(read.manifest, read.rows) == summarize(lamp.manifest, lamp.rows)


def test_a_row_names_what_made_it(lamp: Store):
    row = pick(lamp, attack="pgd", access="adaptive", defense="jpeg")[0]
    assert row.model_revision == "lamp-1"
    assert row.key.params["defense.quality"] == 75
    assert row.flags == ("straight-through",)
    assert row.steps > 0
    assert row.loss_start is not None


def _timeless(summary: dict[str, Any]) -> dict[str, Any]:
    cells = [
        {key: value for key, value in cell.items() if "seconds" not in key}
        for cell in summary["cells"]
    ]
    return {**summary, "seconds": None, "cells": cells}
