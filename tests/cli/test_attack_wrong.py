"""What `sallet attack` refuses: with exit code 2, a reason, and nothing made."""

from __future__ import annotations

from pathlib import Path

import pytest

from sallet.cli.main import run
from tests.cli.attacked import LEFT, attack


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--say", "a cat"], "nothing is asked"),
        (["--ask", LEFT], "expected one goal"),
        (["--ask", LEFT, "--say", "a", "--stop-saying"], "expected one goal"),
        (["--ask", LEFT, "--say", ""], "needs the words"),
        (["--ask", LEFT, "--jailbreak", "sure"], "--naming"),
        (["--ask", LEFT, "--stop-saying", "--eps", "0.03"], "8-bit units"),
        (["--ask", LEFT, "--stop-saying", "--set", "stepz=3"], "did you mean step"),
        (["--ask", LEFT, "--stop-saying", "--set", "step"], "KEY=VALUE"),
        (
            ["--ask", LEFT, "--stop-saying", "--attack", "gcg", "--eps", "8"],
            "the attack 'gcg' has no eps; its options are length=20, steps=100",
        ),
        (["--ask", LEFT, "--stop-saying", "--attack", "mislabel", "--steps", "8"], "has no steps"),
        (["--ask", LEFT, "--stop-saying", "--device", "gpu"], "unknown device 'gpu'"),
        (["--ask", LEFT, "--stop-saying", "--model", "here.gguf"], "is a GGUF file"),
        (["--ask", LEFT, "--stop-saying", "--model", "."], "has no config.json"),
        (["--ask", LEFT, "--stop-saying", "--attack", "pdg"], "did you mean"),
        (["--ask", LEFT, "--stop-saying", "--set", "eot=many"], "is a whole number"),
        (["--ask", LEFT, "--stop-saying", "--set", "stop_early=1"], "is true or false"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    more: list[str], expected: str,
):  # fmt: skip
    out = tmp_path / "out"
    assert run(["attack", str(pictures / "p0.png"), "--out", str(out), *more]) == 2
    assert expected in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_is_missing_or_broken_costs_no_model(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "broken.png").write_bytes((pictures / "p0.png").read_bytes()[:200])
    for name, expected in (("missing.png", "there is no image at"), ("broken.png", "broken.png")):
        words = ["attack", str(tmp_path / name), "--ask", LEFT, "--stop-saying"]
        absent = ["--model", str(tmp_path), "--out", str(tmp_path / "out")]  # no checkpoint there
        assert run([*words, *absent]) == 2
        assert expected in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_a_broken_list_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    listed = tmp_path / "list.jsonl"
    for text, expected in (
        ('{"image": "a.png"', "line 1 is not JSON"),
        ('{"picture": "a.png"}', '"image"'),
        ('{"image": "a.png", "sya": "cat"}', "unknown key 'sya'"),
        ('{"image": "a.png", "say": "b"}\n{"image": "b/a.png", "say": "b"}', "give each line"),
        ('\n{"image": ["a.png"], "say": "b"}', "line 2: 'image' is a text; got [\"a.png\"]"),
        ('{"image": "a.png", "say": 3}', "line 1: 'say' is a text; got 3"),
        ('{"image": "a.png", "say": "b", "ask": 3}', "line 1: 'ask' is a text; got 3"),
        ('{"image": "a.png", "say": "b", "system": {}}', "'system' is a text; got {}"),
        ('{"image": "a.png", "say": "b", "id": true}', "'id' is a text; got true"),
        ('{"image": "a.png", "jailbreak": "b", "naming": [3]}', "a list of texts; got [3]"),
        ('{"image": "a.png", "stop_saying": 1}', "a text, or null"),
    ):
        listed.write_text(text)
        assert run(["attack", str(listed), "--ask", "x", "--out", str(tmp_path / "o")]) == 2
        assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--model", "world/clip"], "is an encoder"),
        (["--set", "eot=2.5"], "whole number"),
    ],
)
def test_what_can_only_fail_is_an_error(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str],
    expected: str,
):  # fmt: skip
    assert attack(pictures, tmp_path / "out", "--say", "a cat", *more) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_patch_larger_than_the_picture_is_wrong_usage(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert (
        attack(pictures, tmp_path, "--stop-saying", "--attack", "patch", "--set", "side=600") == 2
    )
    assert "does not fit" in capsys.readouterr().err
