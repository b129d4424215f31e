"""`sallet compare` on committed runs and on small ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sallet.cli.main import run
from sallet.runs.codec import to_line
from sallet.runs.manifest import Manifest
from sallet.runs.record import Row
from tests.harness.handmade import KEY, rows

ROOT = Path(__file__).parents[2]
TARGETED = replace(KEY, goal="targeted")


def written(folder: Path, made: list[Row]) -> Path:
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("".join(f"{to_line(one)}\n" for one in made))
    manifest = Manifest({"name": folder.name, "seed": 0}, "d", "0.1.0", "abc", "m")
    (folder / "manifest.json").write_bytes(manifest.dump())
    return folder


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    first = written(tmp_path / "old", rows("r" * 12, TARGETED))
    second = written(tmp_path / "new", rows("s" * 10 + "rr", TARGETED, model_revision="later"))
    return [str(first), str(second)]


def test_two_runs(two: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(["compare", *two]) == 0
    out, error = capsys.readouterr()
    assert "ASR, old to new" in out
    assert "higher" in out
    assert "+83 [" in out
    assert max(map(len, out.splitlines())) <= 100
    assert error.count("sallet: warning:") == 1
    assert "the weights of lamp" in error


def test_json_is_one_object_last(two: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(["compare", *two, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    (one,) = told["comparisons"]
    assert (one["measure"], one["n"], one["verdict"]) == ("asr", 12, "higher")
    assert (one["first_rate"], one["second_rate"]) == pytest.approx((0, 10 / 12))
    assert one["p"] == one["p_corrected"] == 2 * 0.5**10
    assert one["cell"]["attack"] == "pgd"
    assert len(told["warnings"]) == 1


def test_markdown_goes_into_a_file(
    two: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "compared.md"
    assert run(["compare", *two, "--out", str(out)]) == 0
    text = out.read_text()
    assert "### ASR, old to new" in text
    assert "| higher |" in text
    assert "- the runs differ in the weights of lamp: r in old, later in new" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables}) == 1
    assert str(out) in capsys.readouterr().out


def test_a_committed_run_by_its_defences(capsys: pytest.CaptureFixture[str]):
    folder = str(ROOT / "results" / "first-defences")
    assert run(["compare", folder, "--by", "defense", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {
        (one["cell"]["benchmark"], one["cell"]["attack"], one["cell"]["access"], one["second"]): one
        for one in told["comparisons"]
        if one["measure"] == "asr" and one["cell"]["goal"] != "untargeted"
    }
    prompt = found["world/picture", "none", "none", "safety-prompt"]
    assert prompt["first_rate"] > 0.9
    assert (prompt["second_rate"], prompt["verdict"]) == (0, "lower")
    knowing = found["world/where", "pgd", "adaptive", "resize"]
    assert knowing["verdict"].startswith("no difference shown (n=100")
    assert found["world/where", "pgd", "oblivious", "resize"]["verdict"] == "lower"


def test_one_run_shows_its_minimum_and_who_refused(capsys: pytest.CaptureFixture[str]):
    assert run(["compare", str(ROOT / "results" / "first-defences")]) == 0
    out = capsys.readouterr().out
    assert "any attack" in out
    assert "who refused" in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["compare", "OLD", "OLD"], 2, "named twice"),
        (["compare", "OLD", "NEW", "--baseline", "none"], 2, "--by"),
        (["compare", "OLD", "NEW", "--by", "model", "--baseline", "x"], 2, "the first"),
        (["compare", "OLD", "--by", "defense"], 2, "this run has defense: none"),
        (["compare", "OLD", "EMPTY"], 1, "no row yet"),
        (["compare", "missing"], 2, "not a run folder"),
    ],
)
def test_errors_are_one_line(
    words: list[str],
    code: int,
    said: str,
    two: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    places = dict(zip(("OLD", "NEW"), two, strict=True))
    places["EMPTY"] = str(written(tmp_path / "empty", []))
    assert run([places.get(word, word) for word in words]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_runs_of_one_name_are_told_apart_by_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    one = written(tmp_path / "x" / "run", rows("rr", TARGETED))
    other = written(tmp_path / "y" / "run", rows("ss", TARGETED))
    assert run(["compare", str(one), str(other), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (found["first"], found["second"]) == (str(one), str(other))
