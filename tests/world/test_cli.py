"""The command line: one JSON object last on stdout, light to import, mistakes named."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sallet import catalog
from sallet.core.errors import ModelError, UnknownName, UsageError
from sallet.world.cli import add_parser
from sallet.world.families import items
from sallet.world.models import ENCODERS, MODELS, path, shipped
from sallet.world.render import seen


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["world", *words])
    return args.handler(args)


def said(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_importing_it_is_light() -> None:
    code = "import sys, sallet.world.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("split", ["train", "plain", "shift"])
def test_draw_writes_a_sheet(split: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "sheets" / "where.png"
    assert run("draw", "where", str(out), "--count", "5", "--split", split, "--json") == 0
    assert said(capsys)["file"] == str(out)
    with Image.open(out) as image:
        assert image.width == 4 * 200
        assert len(image.getcolors(1 << 20) or ()) > 1000


def test_sheets_of_the_splits_differ(tmp_path: Path) -> None:
    sheets = [tmp_path / f"{split}.png" for split in ("train", "plain", "shift")]
    for out in sheets:
        run("draw", "where", str(out), "--count", "1", "--split", out.stem)
    assert len({out.read_bytes() for out in sheets}) == 3


def test_draw_plain_writes_pictures_and_a_list_to_attack(tmp_path: Path, capsys) -> None:
    out = tmp_path / "drawn"
    assert run("draw", "where", str(out), "--count", "2", "--plain", "--json") == 0
    assert said(capsys)["file"] == str(out)
    lines = [json.loads(line) for line in (out / "list.jsonl").read_text().splitlines()]
    drawn = items("where", 2)
    assert [line["ask"] for line in lines] == [item.question for item in drawn]
    for line, item in zip(lines, drawn, strict=True):
        with Image.open(out / line["image"]) as image:
            assert np.array_equal(np.asarray(image), seen(item.scene))
    assert run("draw", "multi-image", str(out), "--count", "1", "--plain") == 0
    assert (out / "multi-image-0b.png").exists()
    assert (out / "list.jsonl").read_text() == ""


def test_check_measures_a_folder_on_both_splits(tiny: Path, capsys) -> None:
    folder = str(tiny / "strong")
    words = ("--limit", "2", "--measure", "where", "--measure", "picture_jailbreak", "--json")
    assert run("check", folder, *words) == 0
    found = said(capsys)["models"][folder]
    assert set(found) == {"where", "picture_jailbreak", "n", "intervals", "shift"}
    assert set(found["shift"]) == set(found) - {"shift"}
    assert found["n"] == 2


def test_check_prints_a_line_a_figure(tiny: Path, capsys) -> None:
    folder = str(tiny / "weak")
    assert run("check", folder, "--limit", "2", "--measure", "where", "--split", "plain") == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.strip().startswith("where"))
    assert "[" in line
    assert not any("shift" in line for line in lines)


def test_train_runs_and_says_where(tmp_path: Path, capsys) -> None:
    shown = {"tower": 1, "words": 1, "language": 1, "weak": 0}
    steps = [x for stage, n in shown.items() for x in (f"--{stage}-steps", str(n))]
    assert run("train", str(tmp_path), "--make", "qwen3vl", *steps, "--json") == 0
    found = said(capsys)
    assert (found["make"], found["weak_steps"]) == ("qwen3vl", 0)
    (folder,) = found["models"]
    assert Path(folder, "model.safetensors").is_file()


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="where"):
        run("draw", "were", str(tmp_path / "x.png"))
    with pytest.raises(UnknownName, match="where_told"):
        run("check", "--measure", "where_tld")
    with pytest.raises(UnknownName, match="qwen3vl"):
        run("train", str(tmp_path), "--make", "qwen-3-vl", "--tower-steps", "1")
    with pytest.raises(UsageError, match="--tower"):
        run("train", str(tmp_path), "--make", "clip", "--start", "world/llava-strong")
    with pytest.raises(UnknownName, match="llava-strong"):
        run("check", "world/llava-strnog", "--measure", "where")
    with pytest.raises(ModelError, match=r"config\.json"):
        run("check", str(tmp_path), "--measure", "where")
    with pytest.raises(UsageError, match="--count must be at least 1"):
        run("draw", "where", str(tmp_path / "x.png"), "--count", "0")
    with pytest.raises(UsageError, match="suffix"):
        run("draw", "where", str(tmp_path / "x.sheet"))
    with pytest.raises(SystemExit):
        run("check", "--split", "other")


def test_shipped_names_are_every_make_in_every_character(tiny: Path) -> None:
    assert {*MODELS, *ENCODERS} == {name for name in catalog.MODELS if name.startswith("world/")}
    assert not set(MODELS) & set(ENCODERS)
    assert shipped(str(tiny / "strong")) == tiny / "strong"
    for name in ("world/llava-strnog", "llava-strong"):
        with pytest.raises(UnknownName, match="world/llava-strong"):
            path(name)
