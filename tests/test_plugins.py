"""A package outside of Sallet adds a benchmark, a judge, a defence and an attack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "plugin"
NAMES = {
    "benchmarks": "example/shades",
    "judges": "example/first-word",
    "defenses": "example/mirror",
    "attacks": "example/darken",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built and installed beside Sallet as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(folder), str(source)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return folder


def sallet(installed: Path, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(installed), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "sallet", *words], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


def test_a_package_is_listed(installed: Path):
    done = sallet(installed, "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert set(shown) == {"attacks", "defenses", "judges", "benchmarks", "models", "summaries"}
    for kind, name in NAMES.items():
        assert name in shown[kind]
        assert shown["summaries"][kind][name] == "from sallet-example 0.1"
    alone = json.loads(sallet(Path("/nowhere"), "list", "--json").stdout)
    assert "example/shades" not in alone["benchmarks"]


def test_all_four_are_run_like_any_other(installed: Path, tmp_path: Path):
    words = [
        "evaluate", "--model", "world/llava-strong", "--benchmark", "example/shades",
        "--attack", "none", "--attack", "example/darken", "--goal", "untargeted", "--eps", "16",
        "--defense", "none", "--defense", "example/mirror", "--limit", "4", "--no-cache",
        "--out", str(tmp_path / "run"), "--json",
    ]  # fmt: skip
    done = sallet(installed, *words)
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout.splitlines()[-1])["summary"]["cells"]
    keys = {(c["attack"], c["access"], c["defense"]) for c in cells}
    assert ("example/darken", "adaptive", "example/mirror") in keys
    assert {c["judge"] for c in cells} == {"example/first-word"}
    assert all(c["n"] == 4 for c in cells)
    again = sallet(installed, "score", str(tmp_path / "run"), "--judge", "contains", "--json")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("kind", ["benchmark", "judge", "defense", "attack"])
def test_each_is_under_sixty_lines_and_stands_in_the_docs(kind: str):
    text = (PLUGIN / "sallet_example" / f"{kind}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert f"```python\n{text}```" in (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
