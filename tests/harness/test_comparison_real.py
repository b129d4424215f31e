"""The comparison of real checkpoints and benchmarks, on small ones of the same kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sallet.cli.main import run as sallet
from tests.benchmarks.made import MADE

RECIPE = Path(__file__).parents[2] / "recipes" / "comparison-real.yaml"
SMALL = ["world/qwen3vl-weak", "world/internvl-weak"]


def recipe(folder: Path, **changes: Any) -> Path:
    """The recipe over fixtures of its benchmarks, one sample and few tokens each."""
    data: dict[str, Any] = {**yaml.safe_load(RECIPE.read_text()), **changes}
    for spec in data["benchmarks"]:
        own = folder / spec["name"]
        own.mkdir()
        spec |= {"path": str(own), **MADE[spec["name"]](own), "limit": 1}
        if spec["name"] != "safebench":  # which insists on the tokens that filling a list takes
            spec["max_tokens"] = 4
    data["attacks"][-1]["steps"] = 1
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def test_the_whole_grid_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = recipe(tmp_path, models=SMALL)
    assert sallet(["evaluate", str(path), "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    rows = next(line.split()[1] for line in told if line.split()[:1] == ["all"])
    # unattacked on each benchmark, and three attacks on one each
    assert int(rows) == len(SMALL) * 11 * (7 + 3)


def test_it_runs_from_start_to_end(tmp_path: Path):
    stack = yaml.safe_load(RECIPE.read_text())["defenses"][5]
    assert len(stack["stack"]) == 3
    some = [b for b in yaml.safe_load(RECIPE.read_text())["benchmarks"] if b["name"] != "safebench"]
    path = recipe(tmp_path, models=SMALL, defenses=["none", stack], benchmarks=some)
    out = tmp_path / "run"
    words = ["evaluate", str(path), "--out", str(out), "--no-cache", "--max-unassessed", "1"]
    assert sallet(words) == 0
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == len(SMALL) * 2 * (6 + 3)
    assert not [row["reason"] for row in rows if row["answer"] is None]
