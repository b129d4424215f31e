"""The command line: one JSON object last on stdout, light to import."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sallet.core.errors import ModelError, UnknownName
from sallet.world.cli import add_parser


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["world", *words])
    return args.handler(args)


def test_importing_it_is_light() -> None:
    code = "import sys, sallet.world.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_draw_writes_a_sheet(tmp_path: Path, capsys) -> None:
    out = tmp_path / "sheets" / "where.png"
    assert run("draw", "where", str(out), "--count", "5", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["file"] == str(out)
    with Image.open(out) as image:
        assert image.width == 4 * 200


def test_check_counts_every_answer(capsys) -> None:
    assert run("check", "--limit", "4", "--family", "where", "--family", "picture", "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found["families"]) == {"where", "picture"}
    assert found["families"]["where"]["right"]["n"] == 4
    assert found["families"]["where"]["jailbroken"] is None
    assert found["families"]["picture"]["jailbroken"]["n"] == 4
    assert found["noise"]["n"] == 4


def test_train_runs_and_says_where(tmp_path: Path, capsys) -> None:
    words = ("train", str(tmp_path), "--tower-steps", "1", "--language-steps", "1", "--json")
    assert run(*words) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert Path(found["model"], "model.safetensors").is_file()


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="where"):
        run("draw", "were", str(tmp_path / "x.png"))
    with pytest.raises(UnknownName, match="where"):
        run("check", "--family", "were")
    with pytest.raises(ModelError, match="llava-strong"):
        run("check", str(tmp_path))
