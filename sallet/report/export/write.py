"""An export is written whole or not at all, and over nothing that was not to be written over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sallet.core.errors import UsageError
from sallet.report.export.formats import FORMATS, find
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.runs import files

OWN = (
    "manifest.json",
    "resolved-recipe.yaml",
    "rows.jsonl",
    "rows.jsonl.gz",
    "withdrawn.jsonl",
    "summary.json",
    "report.html",
)
"""What a run's folder holds, and no export may take the place of."""

LOG = ".eval"


def text(source: Source, name: str, options: Options) -> bytes:
    """The whole file of a format that a terminal can show."""
    form = find(name)
    if not form.text:
        shown = ", ".join(one for one, form in FORMATS.items() if form.text)
        raise UsageError(f"{name} is not text: say where to write it with --out (text: {shown})")
    return form.load()(source, options)


def save(source: Source, name: str, options: Options, out: Path, *, force: bool = False) -> None:
    """Writes the file or the folder; one that is there is replaced only by `force`."""
    form = find(name)
    _check(source, name, out, force=force, folder=form.folder)
    make = form.load()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.unwritable(out.parent, error) from error
    if not form.folder:
        files.replace(out, make(source, options))
        return
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.mkdir()
        make(source, options, beside)
        _swap(beside, out)
    except OSError as error:
        raise files.unwritable(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check(source: Source, name: str, out: Path, *, force: bool, folder: bool) -> None:
    if out.resolve().parent == source.folder.resolve() and out.name in (*OWN, "artifacts"):
        raise UsageError(f"{out} is a part of the run itself; choose another --out")
    if folder and out.suffix == LOG:
        raise UsageError(
            f"{name} writes a folder, with a log for each cell; {out} is a file's name"
        )
    if not out.exists() or (folder and out.is_dir() and not any(out.iterdir())):
        return
    if folder != out.is_dir():
        kind = "a folder" if folder else "a file"
        raise UsageError(f"{name} writes {kind}, and {out} is none; choose another --out")
    if not force:
        raise UsageError(f"{out} is there; write over it with --force, or choose another --out")
    if folder and not all(path.suffix == LOG for path in out.iterdir()):
        raise UsageError(f"{out} holds other things than logs; choose another --out")


def _swap(made: Path, out: Path) -> None:
    """Puts the new folder in the old one's place."""
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    made.rename(out)
    shutil.rmtree(old, ignore_errors=True)
