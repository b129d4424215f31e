"""`sallet export`: whole files or none, nothing written over unasked, errors that help."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sallet.cli.main import run
from sallet.cli.parsers import add_all
from sallet.core.errors import StoreError, UnknownName, UsageError
from sallet.report.export.formats import FORMATS, find
from sallet.report.export.options import Options
from sallet.report.export.source import Source, named
from sallet.report.export.write import OWN, save, text
from sallet.runs.store import Store, opened
from tests.harness.handmade import KEY
from tests.report import exports

ROOT = Path(__file__).parents[2]
TEXTS = [name for name, form in FORMATS.items() if form.text]
PUBLISHED = ROOT / "results" / "undefended-weak"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.folder(tmp_path_factory.mktemp("odd") / "run")


def export(folder: Path, *words: str) -> int:
    return run(["export", str(folder), *words])


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_goes_to_stdout_as_it_goes_to_a_file(
    name: str, folder: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
):
    out = tmp_path / "deep" / "file"
    budget = ["--max-unassessed", "1"]
    assert export(folder, "--format", name, "--out", str(out), *budget) == 0
    assert capfdbinary.readouterr().out == b""
    for words in ([], ["--out", "-"]):
        assert export(folder, "--format", name, *words, *budget) == 0
        assert capfdbinary.readouterr().out == out.read_bytes() != b""
    assert [path.name for path in out.parent.iterdir()] == ["file"], "nothing is left beside it"


@pytest.mark.parametrize("name", ["parquet", "inspect"])
def test_what_is_no_text_needs_a_place(name: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    assert export(folder, "--format", name) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--out" in told.err


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_run_gives_the_same_export(name: str, folder: Path, tmp_path: Path):
    source = Source.of(Store.read(folder))
    options = Options(find(name).what[0])
    made: list[dict[str, bytes]] = []
    for out in (tmp_path / "one", tmp_path / "two"):
        save(source, name, options, out)
        files = sorted(out.iterdir()) if out.is_dir() else [out]
        made.append({path.name if out.is_dir() else "": path.read_bytes() for path in files})
    assert [*made[0]] == [*made[1]]
    if name != "inspect":  # a zip file has the time in it
        assert made[0] == made[1]


@pytest.mark.parametrize("name", ["csv", "inspect"])
def test_what_is_there_is_written_over_only_by_force(name: str, folder: Path, tmp_path: Path):
    source, options = Source.of(Store.read(folder)), Options("rows")
    out = tmp_path / "out"
    save(source, name, options, out)
    old = Source(source.folder, source.manifest, source.rows[:3], source.artifacts)
    with pytest.raises(UsageError, match="--force"):
        save(old, name, options, out)
    save(old, name, options, out, force=True)
    if name == "csv":
        assert out.read_bytes() == text(old, name, options)
    else:
        assert len(list(out.iterdir())) == len(old.arms) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_things_is_left_alone(folder: Path, tmp_path: Path):
    source = Source.of(Store.read(folder))
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="other things"):
        save(source, "inspect", Options("rows"), tmp_path, force=True)
    with pytest.raises(UsageError, match="a folder"):
        save(source, "inspect", Options("rows"), tmp_path / "thesis.tex", force=True)
    with pytest.raises(UsageError, match="a file"):
        save(source, "csv", Options("rows"), tmp_path, force=True)
    with pytest.raises(UsageError, match="a log for each cell"):
        save(source, "inspect", Options("rows"), tmp_path / "run.eval")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", [*OWN, "artifacts"])
def test_no_part_of_the_run_is_written_over(name: str, folder: Path):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert export(folder, "--format", "csv", "--out", str(folder / name), "--force") == 2
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


@pytest.mark.parametrize("name", ["csv", "inspect"])
def test_where_nothing_can_be_written_nothing_is(name: str, folder: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        save(Source.of(Store.read(folder)), name, Options("rows"), tmp_path / "file" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_stopped_export_of_logs_leaves_nothing(folder: Path, tmp_path: Path):
    """A picture that cannot be read stops it after the first cell's log."""
    broken = tmp_path / "run"
    shutil.copytree(folder, broken)
    source = Source.of(Store.read(broken))
    (broken / "artifacts" / f"{source.rows[-1].hostile_images[0]}.png").mkdir(parents=True)
    with pytest.raises(StoreError):
        save(source, "inspect", Options("rows"), tmp_path / "logs")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_unknown_format_is_told_the_nearest(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert export(folder, "--format", "marktdown") == 2
    assert "did you mean markdown?" in capsys.readouterr().err
    with pytest.raises(UnknownName, match="known: csv, inspect, junit"):
        find("xyz")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "markdown", "--what", "rows"], "markdown has cells, no rows"),
        (["--format", "csv", "--fail-over", "asr=0.2"], "junit and sarif"),
        (["--format", "latex", "--at", "recipe.yaml"], "junit and sarif"),
        (["--format", "junit", "--fail-over", "arse=0.2"], "did you mean"),
        (["--format", "csv", "--json"], "--out"),
    ],
)
def test_wrong_flags_are_misuse(
    words: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert export(folder, *words) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""


def test_a_run_without_rows_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with opened(tmp_path / "run", exports.RECIPE, resume=False):
        pass
    assert export(tmp_path / "run", "--format", "csv") == 1
    assert "no row yet" in capsys.readouterr().err
    assert export(tmp_path, "--format", "csv") == 2
    assert "is not a run folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("parquet", "pyarrow", "pyarrow"), ("inspect", "inspect_ai", "inspect-ai")],
)
def test_a_missing_package_is_named_and_the_rest_works(
    name: str, module: str, package: str, folder: Path, tmp_path: Path
):
    """In a Python that cannot import it."""
    code = (
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from sallet.cli.main import run\n"
        f"words = ['export', {str(folder)!r}, '--out', {str(tmp_path / 'out')!r}, '--format']\n"
        f"print(run([*words, {name!r}]), run([*words, 'csv']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["2", "0"]
    assert f"needs the package {package}" in done.stderr
    assert "pip install 'sallet[export]'" in done.stderr


@pytest.mark.parametrize("name", ["junit", "sarif"])
def test_limits_decide_the_exit_code_after_the_file_is_written(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def code(out: str, *words: str) -> int:
        found = export(folder, "--format", name, "--out", str(tmp_path / out), *words)
        assert (tmp_path / out).stat().st_size > 0
        return found

    assert code("kept", "--max-unassessed", "0.5", "--fail-over", "asr=0.9") == 0
    assert code("broken", "--max-unassessed", "0.5", "--fail-over", "asr=0.1") == 100
    assert "is above 0.1" in capsys.readouterr().err
    assert code("lost", "--max-unassessed", "0.05") == 1
    assert "--max-unassessed" in capsys.readouterr().err


def test_a_run_that_is_not_finished_says_so_and_passes_no_limit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    part = tmp_path / "part"
    shutil.copytree(folder, part)
    manifest = json.loads((part / "manifest.json").read_text(encoding="utf-8"))
    manifest["rows"] = 60
    (part / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert export(part, "--format", "csv", "--out", str(tmp_path / "a.csv")) == 0
    assert "is not finished: 41 of 60 rows" in capsys.readouterr().err
    limits = ("--max-unassessed", "0.5", "--fail-over", "asr=0.1")
    assert export(part, "--format", "junit", "--out", str(tmp_path / "a.xml"), *limits) == 1
    assert "not finished" in capsys.readouterr().err


def test_json_says_what_was_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "rows.csv"
    assert export(folder, "--format", "csv", "--out", str(out), "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == {"out": str(out), "format": "csv", "what": "rows", "rows": 41, "cells": 3}


@pytest.mark.parametrize("name", FORMATS)
def test_a_published_run_is_exported_like_any_other(name: str, tmp_path: Path):
    """From `summary.json` and `rows.jsonl.gz` alone."""
    cells = json.loads((PUBLISHED / "summary.json").read_text(encoding="utf-8"))["cells"]
    out = tmp_path / "out"
    assert export(PUBLISHED, "--format", name, "--out", str(out)) == 0
    if find(name).folder:
        assert len(list(out.iterdir())) == len(cells)
    else:
        assert out.stat().st_size > 2_000


def test_every_cell_has_a_name_of_its_own():
    changes = (
        {},
        {"model": "other"},
        {"defense": "jpeg"},
        {"eps": 4.0},
        {"norm": "l2"},
        {"goal": "targeted"},
        {"access": "adaptive"},
        {"access": "transfer", "source": "m"},
        {"access": "transfer", "source": "n"},
        {"params": {"steps": 5}},
        {"defense": "majority", "params": {"defense.copies": 5}},
        {"defense": "majority", "params": {"defense.copies": 11}},
        {"resubmissions": 10},
        {"split": "unseen"},
        {"judge": "other"},
        {"benchmark": "other"},
        {"attack": "none", "access": "none", "goal": None, "norm": None, "eps": None},
    )
    found = named([replace(KEY, **one) for one in changes])
    assert len({*found}) == len(changes)


def test_the_help_names_every_format():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_all(commands)
    shown = " ".join(commands.choices["export"].format_help().split())
    assert f"{', '.join([*FORMATS][:-1])} or {[*FORMATS][-1]}" in shown
