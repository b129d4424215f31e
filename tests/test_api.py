"""The same things from Python as from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sallet.api import Run, compare, evaluate, open_run, score
from sallet.cli.main import run as command
from sallet.core.errors import StoreError
from tests.harness.fakes import BRIGHTER, HERE, LAMP, POISON

RECIPE = {
    "name": "api",
    "models": [LAMP],
    "benchmarks": [BRIGHTER, POISON],
    "attacks": ["none", {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 4}],
    "defenses": ["none", "jpeg"],
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return evaluate(RECIPE, tmp_path / "run", cache=tmp_path / "answers.sqlite")


def test_a_run_says_what_its_files_say(run: Run, capsys: pytest.CaptureFixture[str]):
    assert command(["report", str(run.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["summary"]
    assert told == json.loads(json.dumps(run.summary))
    assert open_run(run.folder).summary == run.summary
    (adaptive,) = [cell for cell in run.cells if cell.key.access == "adaptive"]
    assert adaptive.asr is not None
    assert adaptive.asr[0] > 0
    assert "toy/brighter" in run.table()
    assert run.report().name == "report.html"


def test_only_and_resume(run: Run, tmp_path: Path):
    part = evaluate(RECIPE, tmp_path / "part", only={"defense": "jpeg", "attack": "none"})
    assert {row.key.defense for row in part.rows} == {"jpeg"}
    whole = evaluate(RECIPE, tmp_path / "part", resume=True)
    assert {(r.cell, r.sample) for r in whole.rows} == {(r.cell, r.sample) for r in run.rows}
    with pytest.raises(StoreError, match="holds a run already"):
        evaluate(RECIPE, tmp_path / "part")


def test_another_judge(run: Run):
    again = score(run, "rules")
    assert again.folder.name == "run-rules"
    assert [row.outcome for row in again.rows] == [row.outcome for row in run.rows]
    other = score(run, f"{HERE}:Suspicious")
    poison = [row for row in other.rows if row.key.benchmark == "toy/poison"]
    assert {row.outcome for row in poison} == {"success"}


def test_compare_within_and_between(run: Run, tmp_path: Path):
    within = compare(run, by="defense")
    assert {(one.first, one.second) for one in within.comparisons} == {("none", "jpeg")}
    other = evaluate(RECIPE, tmp_path / "other")
    between = compare(run, other)
    assert between.comparisons
    assert all(one.found and one.found.difference[0] == 0 for one in between.comparisons)
    assert all(one.verdict.startswith("no difference") for one in between.comparisons)
