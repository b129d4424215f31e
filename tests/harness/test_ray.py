"""A real local Ray cluster: the same rows as this process makes, and nothing lost by a kill."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.harness.shards import Worker, shards
from sallet.runs.codec import from_line
from sallet.runs.parse import parse
from sallet.runs.store import Store, opened, read_rows
from tests.harness.fakes import BRIGHTER, LAMP, POISON

ROOT = Path(__file__).parents[2]
RECIPE = {
    "name": "shards",
    "models": [LAMP],
    "benchmarks": [{**BRIGHTER, "limit": 10}, {**POISON, "limit": 6}],
    "attacks": [
        "none",
        {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 3},
        {"name": "uniform-noise", "goal": "untargeted", "eps": 8},
    ],
    "defenses": ["none", "jpeg", {"name": "majority", "copies": 3}],
    "attack_batch": 4,
}
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not here")


def evaluate(out: Path, recipe: Path, *more: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = ["evaluate", str(recipe), "--out", str(out), "--no-cache", *more]
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-m", "sallet", *words],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip


def rows(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Every row without what takes time."""
    found = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    timed = ("seconds", "attack_seconds")
    assert len({(r["cell"], r["sample"]) for r in found}) == len(found)
    return {(r["cell"], r["sample"]): {k: v for k, v in r.items() if k not in timed} for r in found}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture(scope="module")
def local(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("local") / "run"
    done = evaluate(out, recipe)
    assert done.returncode == 0, done.stderr
    return out


@needs_ray
def test_two_workers_make_the_same_rows_though_two_are_killed(
    recipe: Path, local: Path, tmp_path: Path
):
    tombs = tmp_path / "tombs"
    tombs.mkdir()
    out = tmp_path / "run"
    done = evaluate(out, recipe, "--executor", "ray", "--workers", "2", LAMP_DIES=str(tombs))
    assert done.returncode == 0, done.stderr
    assert len(list(tombs.iterdir())) == 2, "two workers died by SIGKILL"
    assert list(rows(out).items()) == list(rows(local).items())
    same = ("asr", "utility", "over_refusal", "refused_by", "n", "unassessed")
    here, there = (json.loads((f / "summary.json").read_text())["cells"] for f in (out, local))
    key = lambda c: json.dumps([c[k] for k in ("benchmark", "attack", "access", "defense")])  # noqa: E731
    assert [{k: c[k] for k in same} for c in sorted(here, key=key)] == [
        {k: c[k] for k in same} for c in sorted(there, key=key)
    ]
    images = [{p.name for p in (f / "artifacts").rglob("*.png")} for f in (out, local)]
    assert images[0] == images[1]


def test_shards_cover_what_is_missing_and_nothing_else(recipe: Path, local: Path, tmp_path: Path):
    planned = plan(parse(yaml.safe_load(recipe.read_text())), Parts())
    with opened(tmp_path / "run", planned.recipe, resume=False) as store:
        found = shards(planned, store)
        assert sum(shard.rows for shard in found) == len(rows(local))
        batches = [batch for shard in found for batch in shard.batches]
        assert len({*batches}) == len(batches)
        keep = read_rows(local)[:7]
        store.append(keep)
        left = shards(planned, store)
        assert sum(shard.rows for shard in left) == len(rows(local)) - 7


def test_a_worker_on_another_disk_sends_its_files(recipe: Path, local: Path, tmp_path: Path):
    planned = plan(parse(yaml.safe_load(recipe.read_text())), Parts())
    worker = Worker(planned.recipe.as_dict(), {}, None, str(tmp_path / "not-there"))
    with opened(tmp_path / "run", planned.recipe, resume=False) as store:
        (first, *_) = shards(planned, store)
        made = worker.make(first, [])
        assert len(made.lines) == first.rows
        assert any(name.endswith(".png") for name in made.files)
        whole = rows(local)
        for line in made.lines:
            row = from_line(line)
            assert whole[row.cell, row.sample]["outcome"] == row.outcome
        again = worker.make(first, [(r.cell, r.sample) for r in map(from_line, made.lines)])
        assert again.lines == ()
        assert again.files == {}
        kept = worker._artifacts.folder
        worker.close()
        assert not kept.exists()
    assert Store.read(tmp_path / "run").rows == []


def test_without_ray_the_error_says_what_to_install(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    from sallet.cli.main import run

    monkeypatch.setitem(sys.modules, "ray", None)
    out = str(tmp_path / "run")
    assert run(["evaluate", str(recipe), "--out", out, "--executor", "ray"]) == 2
    assert "pip install 'sallet[ray]'" in capsys.readouterr().err
