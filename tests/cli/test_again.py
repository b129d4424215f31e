"""What is done with a run after it: retried, judged again, listed, held to its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sallet.cli.main import run
from sallet.core.errors import StoreError
from sallet.runs.store import Store, read_rows
from tests.harness.fakes import BRIGHTER, HERE, LAMP, POISON

SUSPICIOUS = f"{HERE}:Suspicious"
PGD = {"name": "pgd", "goal": "jailbreak", "eps": 40, "steps": 6}


def evaluated(folder: Path, *flags: str, code: int = 0, **changes: Any) -> Path:
    data = {
        "name": "again",
        "models": [LAMP],
        "benchmarks": [{**BRIGHTER, "fails_every": 4, "limit": 8}, {**POISON, "limit": 6}],
        "attacks": ["none", PGD],
        "defenses": ["none"],
        **changes,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(data))
    out = folder / "run"
    words = ["evaluate", str(folder / "recipe.yaml"), "--out", str(out), "--max-unassessed", "0.5"]
    assert run([*words, *flags]) == code
    return out


def test_retry_makes_the_unassessed_rows_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = evaluated(tmp_path)
    first = [(row.cell, row.sample) for row in read_rows(out)]
    before = [row for row in read_rows(out) if row.outcome != "unassessed"]
    assert len(first) == 20
    assert sum(row.outcome == "unassessed" for row in read_rows(out)) == 2

    monkeypatch.setenv("LAMP_FAILS", "nothing at all")
    assert run(["retry", str(out), "--errors", "--json"]) == 0
    after = read_rows(out)
    assert [(row.cell, row.sample) for row in after] == first
    assert all(row.outcome != "unassessed" for row in after)
    assert all(row in after for row in before)
    assert [row.sample for row in Store.read(out).withdrawn()] == ["brighter-0", "brighter-4"]
    captured = capsys.readouterr()
    assert "2 rows that could not be assessed are made again" in captured.err
    summary = json.loads(captured.out.splitlines()[-1])["summary"]
    assert [cell["unassessed"] for cell in summary["cells"]] == [0, 0, 0]


def test_retry_of_what_fails_again_is_unassessed_again(tmp_path: Path):
    out = evaluated(tmp_path)
    assert run(["retry", str(out), "--max-unassessed", "0.5", "--json"]) == 0
    assert sum(row.outcome == "unassessed" for row in read_rows(out)) == 2
    assert len(Store.read(out).withdrawn()) == 2
    assert run(["retry", str(out), "--max-unassessed", "0", "--json"]) == 1


def test_score_asks_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = evaluated(tmp_path)
    monkeypatch.setenv("LAMP_DELAY", "1000")  # a question would end in the test's timeout
    assert run(["score", str(out), "--judge", "rules", "--json"]) == 0
    assert "0 verdicts changed" in capsys.readouterr().err
    old, new = read_rows(out), read_rows(tmp_path / "run-rules")
    assert [(row.cell, row.sample, row.outcome, row.reason) for row in old] == [
        (row.cell, row.sample, row.outcome, row.reason) for row in new
    ]


def test_another_judge_makes_a_run_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, other = evaluated(tmp_path), tmp_path / "other"
    words = ["score", str(out), "--judge", SUSPICIOUS, "--out", str(other)]
    assert run([*words, "--max-unassessed", "1", "--json"]) == 0
    rows = read_rows(other)
    poison = [row for row in rows if row.key.benchmark == "toy/poison"]
    assert {row.outcome for row in poison} == {"success"}
    assert {row.key.judge for row in rows} == {SUSPICIOUS}
    assert {row.cell for row in rows}.isdisjoint(row.cell for row in read_rows(out))
    bright = [row for row in rows if row.key.benchmark == "toy/brighter"]
    assert {row.outcome for row in bright} == {"unassessed"}
    assert {row.reason.rpartition("; ")[2] for row in bright} == {
        "not my matter",
        "no answer: RuntimeError: the lamp cannot read this",
    }
    assert "verdicts changed: " in capsys.readouterr().err
    assert Store.read(other).manifest.scored == Store.read(out).manifest.digest
    digest = poison[-1].hostile_images[0]
    assert Store.read(other).artifacts.load(digest).digest == digest
    assert run([*words, "--max-unassessed", "1"]) == 2  # it is there already
    assert run([*words, "--max-unassessed", "1", "--resume"]) == 0
    assert read_rows(other) == rows


def test_a_judge_that_looks_at_an_image_that_is_gone_judges_nothing(tmp_path: Path):
    out, other = evaluated(tmp_path), tmp_path / "other"
    for path in (out / "artifacts").glob("*.png"):
        path.unlink()
    words = ["score", str(out), "--judge", f"{HERE}:Looking", "--out", str(other), "--json"]
    assert run([*words, "--max-unassessed", "1"]) == 0
    attacked = [row for row in read_rows(other) if row.key.attack == "pgd"]
    assert {row.outcome for row in attacked} == {"unassessed"}
    assert all("there is no image" in row.reason for row in attacked)


def test_what_was_judged_again_is_neither_retried_nor_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = evaluated(tmp_path)
    again = tmp_path / "again"
    words = ["--out", str(again), "--max-unassessed", "0.5"]
    assert run(["score", str(out), "--judge", "world", *words]) == 0
    before = read_rows(again)
    for words in (["retry", str(again)], ["evaluate", str(again / "resolved-recipe.yaml")]):
        capsys.readouterr()
        assert run([*words, *(["--out", str(again), "--resume"] if "evaluate" in words else [])])
        assert "asks nobody" in capsys.readouterr().err
    assert read_rows(again) == before


def test_an_unknown_judge_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = evaluated(tmp_path)
    assert run(["score", str(out), "--judge", "rulse"]) == 2
    assert "did you mean rules" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "run"]


def test_runs_says_how_far_each_got(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = evaluated(tmp_path)
    lines = (out / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (out / "rows.jsonl").write_bytes(b"".join(lines[:5]))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    capsys.readouterr()
    assert run(["runs", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    (listed,) = json.loads(captured.out)["runs"]
    assert (listed["rows"], listed["planned"], listed["state"]) == (5, 20, "25%")
    assert "broken is not a run folder" in captured.err
    assert run(["runs", str(tmp_path / "nowhere")]) == 2


def test_a_run_of_a_later_format_is_left_alone(tmp_path: Path):
    out = evaluated(tmp_path)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest |= {"format": 99, "sallet": "9.0"}
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"format 99 \(of sallet 9\.0\).*update it"):
        Store.read(out)


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--fail-over", "asr=0.99"], 0, ""),
        (["--fail-over", "asr=0.01"], 100, "asr 1.000 [0.207, 1.000] is above 0.01: lamp"),
        (["--fail-under", "harmless=0.5"], 100, "harmless 0.000"),
        (["--fail-over", "unassessed=0.1"], 100, "unassessed 0.250 (2 of 8) is above 0.1"),
        (["--fail-over", "utility=1.5"], 2, "from 0 to 1"),
        (["--fail-over", "asr"], 2, "METRIC=SHARE"),
        (["--fail-over", "ars=0.1"], 2, "did you mean asr"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value)[:8],
)
def test_limits_decide_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, says: str
):
    changes = {} if code != 0 else {"attacks": ["none"]}
    evaluated(tmp_path, *flags, code=code, **changes)
    assert says in capsys.readouterr().err
