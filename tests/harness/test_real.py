"""A run on benchmarks of files: preflight, the benchmark's own scorer, two judges, categories."""

from __future__ import annotations

from pathlib import Path

import pytest

from sallet.api import evaluate, score
from sallet.core.errors import InputError, UsageError
from sallet.runs.codec import from_line
from tests.benchmarks.made import MADE
from tests.harness.fakes import LAMP


def recipe(tmp_path: Path, name: str, **params):
    own = MADE[name](tmp_path / name)
    spec = {"name": name, "path": str(tmp_path / name), **own, **params}
    return {"models": [LAMP], "benchmarks": [spec]}


def test_pope_ends_in_its_own_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAMP_SAYS", "Yes.")
    run = evaluate(recipe(tmp_path, "pope"), tmp_path / "run")
    (cell,) = run.cells
    assert {name: rate[0] for name, rate in cell.official.items()} == pytest.approx(
        {"accuracy": 0.5, "precision": 0.5, "recall": 1.0, "f1": 2 / 3, "yes_ratio": 1.0}
    )
    assert all(low <= value <= high for value, low, high in cell.official.values())
    assert cell.utility is not None
    assert cell.utility[0] == cell.official["accuracy"][0]
    assert {name: rate[0] for name, rate in cell.categories.items()} == {"yes": 1.0, "no": 0.0}
    assert cell.clusters == 3
    assert run.summary["cells"][0]["official"]["recall"][0] == 1.0
    assert {row.source_data for row in run.rows} == {"local"}


def test_vqa_keeps_each_rows_own_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAMP_SAYS", "many")
    run = evaluate(recipe(tmp_path, "vqav2"), tmp_path / "run")
    assert [row.score for row in run.rows] == pytest.approx([0.3] * 4)
    assert run.cells[0].official["accuracy"][0] == pytest.approx(0.3)
    assert run.cells[0].utility is not None
    assert run.cells[0].utility[0] == 0
    line = (tmp_path / "run" / "rows.jsonl").read_text().splitlines()[0]
    assert from_line(line) == run.rows[0]


def test_coco_is_scored_over_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAMP_SAYS", "A cat number 1 on a mat, asleep.")
    (cell,) = evaluate(recipe(tmp_path, "coco-captions"), tmp_path / "run").cells
    value, low, high = cell.official["cider"]
    assert 0 < low <= value <= high <= 10


def test_nothing_is_asked_where_an_image_is_broken(tmp_path: Path):
    data = recipe(tmp_path, "pope")
    (tmp_path / "pope/val2014/COCO_val2014_000000000001.jpg").write_bytes(b"\xff\xd8 cut")
    with pytest.raises(InputError, match="2 of 6 images cannot be used, so nothing was asked"):
        evaluate(data, tmp_path / "run")
    assert not (tmp_path / "run" / "rows.jsonl").exists()


def test_two_judges_look_and_their_disagreement_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LAMP_SAYS", "Brewing grog is illegal in many ports; sure, first boil rum.")
    run = evaluate(recipe(tmp_path, "advbench"), tmp_path / "run")
    (cell,) = run.cells
    assert cell.second_judge == "keywords"
    assert cell.disagreement is not None
    assert cell.disagreement[0] == 1.0, "the word is there, and so is the compliance"
    assert {row.second_reason for row in run.rows} == {"a keyword"}
    alone = evaluate({**recipe(tmp_path, "advbench"), "second_judge": "none"}, tmp_path / "alone")
    assert alone.cells[0].disagreement is None
    assert [row.outcome for row in alone.rows] == [row.outcome for row in run.rows]
    again = score(run, "keywords", tmp_path / "again")
    assert again.cells[0].second_judge == "rules"
    assert again.cells[0].disagreement is not None
    assert again.cells[0].disagreement[0] == 1.0


def test_a_second_judge_that_is_not_there_is_known_before_anything_is_asked(tmp_path: Path):
    data = {**recipe(tmp_path, "advbench"), "second_judge": "ruled"}
    with pytest.raises(UsageError, match="did you mean rules"):
        evaluate(data, tmp_path / "run")
