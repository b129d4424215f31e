"""The front door: fast, and every error is one line with the right exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sallet.cli.extras import advice
from sallet.cli.main import run
from tests.harness.fakes import BRIGHTER, LAMP, POISON

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "numpy", "PIL", "rich", "yaml", "httpx")


@pytest.mark.parametrize("words", [["--help"], ["list"], ["evaluate", "--help"], ["--version"]])
def test_nothing_heavy_is_loaded_to_answer_at_once(words: list[str]):
    code = (
        "import sys\n"
        "from sallet.cli.main import run\n"
        "try:\n"
        f"    code = run({words!r})\n"
        "except SystemExit as stop:\n"
        "    code = stop.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'loaded: {loaded}' if loaded else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "lacking"),
    [
        (["policy", "key", "anna"], "orjson"),
        (["audit", "summary", "audit.jsonl"], "orjson"),
        (["serve", "--upstream", "http://127.0.0.1:9/v1"], "uvicorn"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    words: list[str], lacking: str
):
    code = (
        "import sys\n"
        f"sys.modules[{lacking!r}] = None\n"
        "from sallet.cli.main import run\n"
        f"sys.exit(run({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert f"({lacking} is missing): pip install 'sallet[gateway]'" in done.stderr


def test_no_extra_is_made_up_for_a_package_of_nobody():
    assert advice("no_such_package") is None
    assert advice(None) is None
    assert "sallet[export]" in (advice("pyarrow.parquet") or "")


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "RESULTS"],
        ["report", "RUN"],
        ["compare", "RUN"],
        ["compare", "RUN", "--by", "attack"],
        ["export", "RUN", "--format", "csv"],
        ["export", "RUN", "--format", "sarif"],
    ],
)
def test_what_only_reads_a_run_loads_no_model_library(words: list[str], tmp_path: Path):
    results = tmp_path / "results"
    shutil.copytree(ROOT / "results" / "undefended", results / "run")
    places = {"RESULTS": str(results), "RUN": str(results / "run")}
    code = (
        "import sys\n"
        "from sallet.cli.main import run\n"
        f"code = run({[places.get(word, word) for word in words]!r})\n"
        "loaded = [name for name in ('torch', 'transformers') if name in sys.modules]\n"
        "sys.exit(f'loaded: {loaded}' if loaded else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_takes_less_than_half_a_second():
    best = min(_timed([sys.executable, "-m", "sallet", "--help"]) for _ in range(5))
    assert best < 0.5


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    return time.perf_counter() - began


@pytest.mark.parametrize("what", ["models", "defenses", "attacks", "benchmarks", "judges"])
def test_list_has_every_name(what: str, capsys: pytest.CaptureFixture[str]):
    from sallet import catalog

    assert run(["list", what, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown[what] == list(shown["summaries"][what])
    assert shown["summaries"][what] == {
        name: entry.summary
        for name, entry in next(t for k, t in catalog.TABLES.items() if f"{k}s" == what).items()
    }
    assert run(["list", what]) == 0
    assert all(name in capsys.readouterr().out for name in shown[what][:1])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["evaluate"], 2, "needs models"),
        (["evaluate", "missing.yaml"], 2, "cannot read the recipe missing.yaml"),
        (["evaluate", "--model", "world/lava-strong", "--benchmark", "world/where"], 2, "did you"),
        (["evaluate", "--model", "./nowhere", "--benchmark", "world/where"], 2, "no folder ./now"),
        (["evaluate", "RECIPE", "--eps", "0.03"], 2, "8-bit units"),
        (["evaluate", "RECIPE", "--attack", "pdg"], 2, "did you mean pgd"),
        (["evaluate", "RECIPE", "--only", "defense"], 2, "KEY=VALUE"),
        (["evaluate", "RECIPE", "--workers", "0", "--dry-run"], 2, "--workers is at least 1"),
        (["evaluate", "RECIPE", "--attack", "gcg", "--eps", "8"], 2, "has no eps; its options"),
        (["judge", "agreement", "missing.csv"], 2, "there is no file missing.csv"),
        (["evaluate", "RECIPE", "--only", "defense=jpg"], 2, "did you mean jpeg"),
        (["report", "missing"], 2, "not a run folder"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    words: list[str], code: int, said: str, recipe: Path, capsys: pytest.CaptureFixture[str]
):
    assert run([str(recipe) if word == "RECIPE" else word for word in words]) == code
    out, error = capsys.readouterr()
    assert error.startswith("sallet: error: ")
    assert error.count("\n") == 1
    assert said in error
    assert out == ""


def test_flags_that_are_not_there_are_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        run(["evaluate", "--nonsense"])
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    data = {
        "name": "front",
        "models": [LAMP],
        "benchmarks": [{**BRIGHTER, "limit": 6}, {**POISON, "limit": 4}],
        "attacks": [
            "none",
            {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 2},
            {"name": "pgd", "goal": "jailbreak", "eps": 8, "benchmarks": ["toy/poison"]},
        ],
        "defenses": ["none", "jpeg", {"name": "majority", "copies": 2}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_dry_run_writes_nothing_and_counts(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    only = ["--only", "attack=pgd,goal=untargeted"]
    words = ["evaluate", str(recipe), "--out", str(out), "--dry-run", *only]
    assert run([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert not out.exists()
    assert [cell["n"] for cell in shown["cells"]] == [6] * 5
    assert sum(cell["gradients"] for cell in shown["cells"]) == 6 * (2 + 2 + 2 * 2)
    assert shown["seconds"] > 0
    assert run(words) == 0
    assert "majority" in capsys.readouterr().out


def test_flags_choose_from_the_recipe(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["evaluate", str(recipe), "--dry-run", "--json", "--limit", "3", "--eps", "4"]
    words += ["--benchmark", "toy/brighter", "--attack", "pgd", "--defense", "majority"]
    words += ["--access", "adaptive", "--steps", "1"]
    assert run(words) == 0
    (cell,) = json.loads(capsys.readouterr().out.splitlines()[-1])["cells"]
    assert (cell["n"], cell["eps"], cell["access"], cell["params"]["steps"]) == (
        3,
        4,
        "adaptive",
        1,
    )
    assert cell["params"]["defense.copies"] == 2


def test_a_run_with_json_ends_in_one_object(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    words = ["evaluate", str(recipe), "--out", str(out), "--defense", "none", "--json"]
    assert run(words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["out"] == str(out)
    assert shown["summary"] == json.loads((out / "summary.json").read_text())
    assert (out / "report.html").read_text().startswith("<!")

    assert run(words) == 2
    assert "--resume" in capsys.readouterr().err
    assert run([*words, "--resume", "--eps", "4"]) == 2
    assert "attacks.1.eps: 8.0 -> 4.0" in capsys.readouterr().err

    (out / "summary.json").unlink()
    assert run(["report", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == shown


def test_too_many_unassessed_rows_fail_the_run_and_keep_its_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = {"models": [LAMP], "benchmarks": [{**BRIGHTER, "fails_every": 4, "limit": 8}]}
    path, out = tmp_path / "r.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(data))
    words = ["evaluate", str(path), "--out", str(out)]
    assert run(words) == 1
    assert "25% of 8 rows are unassessed" in capsys.readouterr().err
    assert (out / "summary.json").exists()
    assert run([*words, "--resume", "--max-unassessed", "0.3"]) == 0


def test_a_port_that_is_none_is_said(capsys: pytest.CaptureFixture[str]):
    assert run(["view", str(ROOT / "results" / "undefended"), "--port", "70000"]) == 2
    assert "port 70000 cannot be had" in capsys.readouterr().err
