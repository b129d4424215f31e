"""A run's folder: rows are appended durably, none is lost or doubled, whatever stops the run."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sallet.core.errors import OtherRecipe, StoreError, WrongFolder
from sallet.runs import files
from sallet.runs.artifacts import Artifacts
from sallet.runs.codec import from_line, to_line
from sallet.runs.manifest import Manifest
from sallet.runs.recipe import Recipe, changes
from sallet.runs.record import Row

WITHDRAWN = "withdrawn.jsonl"
NOTED = 2.0
"""Seconds between two notes of a run's time: a kill loses no more of it, and no row."""


class Store:
    """`manifest.json`, `resolved-recipe.yaml`, `rows.jsonl`, `summary.json` and `artifacts/`."""

    def __init__(self, folder: Path, manifest: Manifest, rows: list[Row]) -> None:
        self.folder, self.manifest, self.rows = folder, manifest, rows
        self.artifacts = Artifacts(folder / "artifacts")
        self._done = {(row.cell, row.sample) for row in rows}
        self._noted = 0.0

    @classmethod
    def read(cls, folder: Path) -> Store:
        """A run as it is, to look at; `opened` is for writing.

        A published one may be no more than `summary.json` and `rows.jsonl.gz`.
        """
        return cls(folder, Manifest.read(folder), read_rows(folder))

    @classmethod
    def begun(cls, folder: Path) -> Store:
        """The same; one without a row is an error."""
        store = cls.read(folder)
        if not store.rows:
            raise StoreError(
                f"{folder} has no row yet; make some with `sallet evaluate RECIPE --resume`"
            )
        return store

    def has(self, cell: str, sample: str) -> bool:
        """Whether this sample of this cell has its row."""
        return (cell, sample) in self._done

    def append(self, rows: Sequence[Row], seconds: float = 0.0) -> None:
        """Writes all of these rows, durably, or none, once the images that they name are there;
        `seconds` is added to the run's time."""
        keys = [(row.cell, row.sample) for row in rows]
        if len({*keys}) < len(keys) or not self._done.isdisjoint(keys):
            raise StoreError("a row would be written twice; this is a fault of sallet")
        self.artifacts.settle()
        files.append(self.folder / "rows.jsonl", _lines(rows))
        self.rows += rows
        self._done.update(keys)
        self.manifest = self.manifest.extended(seconds)
        if time.monotonic() - self._noted > NOTED:
            self._write_manifest()

    @property
    def lacking(self) -> int:
        """How many rows are still to come, as far as the manifest knows."""
        return max(0, (self.manifest.rows or 0) - len(self.rows))

    def expect(self, rows: int) -> None:
        """Notes how many rows the whole run will have; of a part of a plan, at least as many."""
        if rows > (self.manifest.rows or 0):
            self.manifest = replace(self.manifest, rows=rows)
            self._write_manifest()

    def pin(self, model: str, revision: str) -> None:
        """Notes the weights behind a model's name; others than before are refused."""
        noted = self.manifest.weights.get(model)
        before = {row.model_revision for row in self.rows if row.key.model == model}
        if noted:
            before.add(noted)
        if before - {revision}:
            raise StoreError(
                f"{model} is now {revision}, what {self.folder} has was made with "
                f"{', '.join(sorted(before))}: bring those weights back, or start a new run with "
                "--out"
            )
        if not noted:
            weights = {**self.manifest.weights, model: revision}
            self.manifest = replace(self.manifest, weights=weights)
            self._write_manifest()

    def asks(self) -> None:
        """An error if this run is another one's answers: none of its own may be among them."""
        if self.manifest.scored is not None:
            raise WrongFolder(
                f"{self.folder} is a run that was judged again, and asks nobody: go on with the "
                "run that it was made of, then use `sallet score`"
            )

    def rescores(self, other: Store) -> None:
        """Notes that this run is another one's answers, judged again, and borrows its images."""
        if self.manifest.scored not in (None, other.manifest.digest):
            raise WrongFolder(f"{self.folder} scores another run; choose another folder with --out")
        self.manifest = replace(self.manifest, scored=other.manifest.digest)
        self.expect(len(other.rows))
        images = {name for row in other.rows for name in (*row.clean_images, *row.hostile_images)}
        other.artifacts.lend(self.artifacts, sorted(images))

    def withdraw(self, rows: Sequence[Row]) -> None:
        """Takes rows back, to be made again; they are kept in `withdrawn.jsonl`."""
        gone = {(row.cell, row.sample) for row in rows}
        if not gone:
            return
        files.append(self.folder / WITHDRAWN, _lines(rows))
        self.rows = [row for row in self.rows if (row.cell, row.sample) not in gone]
        files.replace(self.folder / "rows.jsonl", _lines(self.rows))
        self._done -= gone

    def arrange(self, order: Iterable[tuple[str, str]]) -> None:
        """Puts the rows of these cells and samples in this order, after all the others: what is
        chosen by it, and the file, are then the same however many made them."""
        place = {pair: i for i, pair in enumerate(order)}
        arranged = sorted(self.rows, key=lambda row: place.get((row.cell, row.sample), -1))
        if arranged != self.rows:
            self.rows = arranged
            files.replace(self.folder / "rows.jsonl", _lines(arranged))

    def withdrawn(self) -> list[Row]:
        """What was taken back, ever."""
        return read_rows(self.folder, WITHDRAWN)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Puts `summary.json` in place of the one before."""
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        files.replace(self.folder / "summary.json", text.encode())

    def close(self) -> None:
        """Waits for the images that are on their way, and notes the run's time."""
        self.artifacts.writer.close()
        with suppress(StoreError):
            self._write_manifest()

    def _write_manifest(self) -> None:
        self._noted = time.monotonic()
        files.replace(self.folder / "manifest.json", self.manifest.dump())


@contextmanager
def opened(folder: Path, recipe: Recipe, *, resume: bool) -> Iterator[Store]:
    """The run of `recipe` in `folder`, new or resumed, with other processes kept out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.unwritable(folder, error) from error
    with files.locked(folder):
        known = (folder / "manifest.json").exists()
        begun = known and bool(read_rows(folder) or (folder / WITHDRAWN).exists())
        if begun and not resume:
            raise WrongFolder(
                f"{folder} holds a run already; go on with it by --resume, or choose another "
                "folder with --out"
            )
        if not known and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise WrongFolder(f"{folder} holds other files; choose another folder with --out")
        goes_on = begun or (known and resume and _same(folder, recipe))
        store = _resumed(folder, recipe) if goes_on else _new(folder, recipe)
        try:
            yield store
        finally:
            store.close()


def read_rows(folder: Path, name: str = "rows.jsonl") -> list[Row]:
    """Every whole row; a torn last line is none."""
    path = folder / name
    packed = path.with_name(f"{name}.gz")
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
    else:
        lines = _unpacked(packed).splitlines(keepends=True) if packed.exists() else []
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(from_line(line.decode()))
        except StoreError as error:
            raise StoreError(f"{path}, line {number}: {error}") from None
        except ValueError as error:
            raise StoreError(
                f"{path}, line {number} is damaged ({error}); remove the line, and --resume makes "
                "its row again"
            ) from None
    return rows


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(f"{path} is damaged ({error}); get it again") from None


def _lines(rows: Sequence[Row]) -> bytes:
    return "".join(f"{to_line(row)}\n" for row in rows).encode()


def _same(folder: Path, recipe: Recipe) -> bool:
    """Whether what was begun here, and has no row yet, is this very run: its images are kept."""
    try:
        made, now = Manifest.read(folder), Manifest.of(recipe)
    except StoreError:
        return False
    return (made.digest, made.sallet) == (now.digest, now.sallet)


def _new(folder: Path, recipe: Recipe) -> Store:
    """A run without a row is begun anew: what stopped it may have been its recipe."""
    (folder / "rows.jsonl").unlink(missing_ok=True)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)
    store = Store(folder, Manifest.of(recipe), [])
    store._write_manifest()
    text = yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True)
    files.replace(folder / "resolved-recipe.yaml", text.encode())
    return store


def _resumed(folder: Path, recipe: Recipe) -> Store:
    manifest, now = Manifest.read(folder), Manifest.of(recipe)
    differences = changes(manifest.recipe, recipe.as_dict())
    if manifest.sallet != now.sallet:
        differences.append(f"sallet: {manifest.sallet!r} -> {now.sallet!r}")
    if differences:
        raise OtherRecipe(
            f"{folder} belongs to another recipe; changed: {'; '.join(differences)}. Change it "
            "back, or start a new run with --out"
        )
    for name in ("rows.jsonl", WITHDRAWN):
        path = folder / name
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
    return Store(folder, manifest, read_rows(folder))
