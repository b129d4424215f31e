"""`sallet policy` and `sallet audit query` say what is wrong before anybody relies on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sallet.cli.main import run
from sallet.gateway import stacks
from sallet.gateway.worth import figures

ROOT = Path(__file__).parents[2]
UP = "upstreams: {main: {url: 'http://127.0.0.1:9/v1'}}"


def test_figures_of_one_attack_are_told_apart_by_what_differs():
    found = figures(stacks.build(("jpeg",), "here"), [ROOT / "results" / "calibration"])
    names = [(one.model, one.benchmark, one.attacked) for one in found]
    assert len(set(names)) == len(names) > 1
    assert any("steps 50" in one.attacked for one in found)


def test_check_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "p.yaml").write_text(UP)
    monkeypatch.chdir(tmp_path)
    assert run(["policy", "check", "p.yaml"]) == 0
    assert "looked for in no folder" in capsys.readouterr().err
    (tmp_path / "runs").mkdir()
    assert run(["policy", "check", "p.yaml"]) == 0
    assert "looked for in runs;" in capsys.readouterr().err


def test_check_looks_at_the_tokenizer_as_serving_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    main = {"url": "http://127.0.0.1:9/v1", "special_tokens": str(tmp_path / "nowhere")}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"upstreams": {"main": main}}))
    assert run(["policy", "check", str(tmp_path / "p.yaml")]) == 2
    assert "give a folder with tokenizer.json" in capsys.readouterr().err


def test_nobody_gets_a_second_key_that_would_spoil_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["policy", "key", "anna", "--file", str(tmp_path / "keys")]
    assert run(words) == 0
    before = (tmp_path / "keys").read_text()
    assert run(words) == 2
    assert "already" in capsys.readouterr().err
    assert (tmp_path / "keys").read_text() == before


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2026-01-31", ["a", "b"]),
        ("2026-01-31 12:00", ["b"]),
        ("2026-01-31T21:00+09:00", ["b"]),
        ("2026-01-31T12:00:00.001Z", []),
    ],
)
def test_records_since_a_time_in_any_zone(
    since: str, found: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    at = {"a": "2026-01-31T11:59:59.999+00:00", "b": "2026-01-31T12:00:00.000+00:00"}
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(json.dumps({"id": id, "at": when}) + "\n" for id, when in at.items()))
    assert run(["audit", "query", str(log), "--since", since]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in shown] == found


@pytest.mark.parametrize(
    "words", [("--verdict", "refusd"), ("--since", "yesterday"), ("--limit", "-1")]
)
def test_what_no_record_can_match_is_an_error(
    words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "audit.jsonl").touch()
    assert run(["audit", "query", str(tmp_path / "audit.jsonl"), *words]) == 2
    assert words[1] in capsys.readouterr().err
