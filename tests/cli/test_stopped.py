"""A run that is killed, interrupted or out of disk loses no row and doubles none."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from sallet.cli.main import run
from sallet.runs.store import read_rows
from tests.cli.signals import listening
from tests.harness.fakes import BRIGHTER, LAMP

ROOT = Path(__file__).parents[2]


def written(folder: Path) -> Path:
    """The recipe; how slow the lamp is, the environment says, so that all runs are of one."""
    data = {
        "name": "stopped",
        "models": [LAMP],
        "benchmarks": [BRIGHTER],
        "attacks": ["none", {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 4}],
        "defenses": ["none", {"name": "majority", "copies": 2}],
        "attack_batch": 4,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def begin(recipe: Path, out: Path, *, slow: float = 0.0, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sallet", "evaluate", str(recipe), "--out", str(out)]
    environment = {**os.environ, "LAMP_DELAY": str(slow)}
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, **{"preexec_fn": listening, **options},
    )  # fmt: skip


def wait_for_rows(process: subprocess.Popen[str], out: Path, count: int) -> None:
    path = out / "rows.jsonl"
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)
    pytest.fail(f"no {count} rows: {process.communicate(timeout=10)}")


def timeless(out: Path) -> dict[str, Any]:
    summary = json.loads((out / "summary.json").read_text())
    cells = [
        {key: value for key, value in cell.items() if "seconds" not in key}
        for cell in summary["cells"]
    ]
    return {**summary, "seconds": None, "commit": None, "cells": cells}


def keys(out: Path) -> list[tuple[str, str]]:
    return [(row.cell, row.sample) for row in read_rows(out)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing stops."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(["evaluate", str(written(folder)), "--out", str(folder / "run"), "--json"]) == 0
    return folder / "run"


def test_kill_9_in_mid_run_and_resume(whole: Path, tmp_path: Path):
    recipe, out = written(tmp_path), tmp_path / "run"
    process = begin(recipe, out, slow=0.01)
    wait_for_rows(process, out, 40)
    process.kill()
    process.communicate(timeout=30)
    kept = keys(out)
    assert 40 <= len(kept) < 120
    assert not (out / "summary.json").exists()

    assert run(["evaluate", str(recipe), "--out", str(out), "--resume", "--json"]) == 0
    assert keys(out)[: len(kept)] == kept
    assert keys(out) == keys(whole)
    assert len({*keys(out)}) == len(keys(out)) == 5 * 24
    assert timeless(out) == timeless(whole)


def test_ctrl_c_keeps_rows_and_says_how_to_go_on(tmp_path: Path):
    recipe, out = written(tmp_path), tmp_path / "run"
    process = begin(recipe, out, slow=0.05)
    wait_for_rows(process, out, 8)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    kept = len(read_rows(out))
    last = error.splitlines()[-1]
    assert last.startswith(f"sallet: error: stopped; {kept} rows are kept; go on with: sallet")
    assert last.endswith("--resume")
    assert "Traceback" not in error


def test_a_full_disk_keeps_rows_and_leaves_no_torn_line(tmp_path: Path):
    recipe, out = written(tmp_path), tmp_path / "run"

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    process = begin(recipe, out, preexec_fn=small_files)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    last = error.splitlines()[-1]
    assert "cannot write" in last
    assert "rows are kept" in last
    assert "Traceback" not in error
    rows = read_rows(out)
    assert rows
    assert (out / "rows.jsonl").read_bytes().endswith(b"\n")
    assert run(["evaluate", str(recipe), "--out", str(out), "--resume", "--json"]) == 0
    assert len(keys(out)) == len({*keys(out)}) == 5 * 24
