"""The same things from Python as from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sallet.api import Run, compare, evaluate, open_run, retry, score
from sallet.cli.main import run as command
from sallet.core.errors import StoreError, UsageError
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


def test_what_failed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = {**RECIPE, "benchmarks": [{**BRIGHTER, "fails_every": 4}], "attacks": ["none"]}
    failed = evaluate(recipe, tmp_path / "failed")
    assert sum(cell.unassessed for cell in failed.cells) > 0
    monkeypatch.setenv("LAMP_FAILS", "nothing at all")
    again = retry(failed, errors=True)
    assert sum(cell.unassessed for cell in again.cells) == 0
    assert len(again.rows) == len(failed.rows)


def test_limits_and_export(run: Run, tmp_path: Path):
    assert run.breaches(over={"asr": 1.0}) == run.breaches() == []
    assert any(line.startswith("utility") for line in run.breaches(under={"utility": 1.0}))
    out = run.export("csv", tmp_path / "rows.csv")
    assert out.read_text().count("toy/brighter") == sum(
        row.key.benchmark == "toy/brighter" for row in run.rows
    )
    with pytest.raises(UsageError, match="--force"):
        run.export("csv", out)
    assert run.export("csv", out, what="cells", force=True).stat().st_size > 0


def test_the_pages_own_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    page = (Path(__file__).parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert '"limit": 40' in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace('"limit": 40', '"limit": 2'), "docs/runs.md", "exec"), {})
    assert "pgd adaptive jpeg (" in capsys.readouterr().out
    assert len(open_run("runs/mine-rules").rows) == len(open_run("runs/mine").rows) == 10
    assert Path("runs/mine.csv").exists()
