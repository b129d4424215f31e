"""A plan in parts that do not need one another, and what a worker makes of one part.

Cells of one model and benchmark that look at the same samples stay together, batch by batch: what
is crafted once is crafted once, and a clean answer is asked for once. What one thing for all
samples is found for stays whole.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sallet.harness.evaluate import Evaluation
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, plan
from sallet.harness.watch import Silent
from sallet.runs.answers import Answers
from sallet.runs.artifacts import Artifacts
from sallet.runs.codec import to_line
from sallet.runs.manifest import Manifest
from sallet.runs.parse import parse
from sallet.runs.record import Row
from sallet.runs.store import Store


@dataclass(frozen=True)
class Shard:
    """Batches of cells, by the cell's digest and where the batch starts; `rows` are to be made."""

    batches: tuple[tuple[str, int], ...]
    rows: int


@dataclass(frozen=True)
class Made:
    """What a worker sends back: rows as lines, weights, and files where it shares no disk."""

    lines: tuple[str, ...]
    weights: Mapping[str, str]
    seconds: float
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def shards(planned: Plan, store: Store) -> list[Shard]:
    """What is still to be made, in the order of the plan."""
    size = planned.recipe.attack_batch
    found: dict[tuple[object, ...], list[tuple[str, int, int]]] = {}
    for cell in planned.cells:
        names = tuple(sample.id for sample in cell.samples)
        for start in range(0, len(cell.samples), size):
            missing = sum(not store.has(cell.digest, name) for name in names[start : start + size])
            if not missing:
                continue
            whole = (repr(cell.attack),) if cell.crafting else (names[start : start + size],)
            place = (repr(cell.model), repr(cell.benchmark), *whole)
            found.setdefault(place, []).append((cell.digest, start, missing))
    return [
        Shard(tuple((d, s) for d, s, _ in batches), sum(n for *_, n in batches))
        for batches in found.values()
    ]


class Tray(Store):
    """Where a worker's rows lie until they are sent: in memory. `done` are not made again."""

    def __init__(
        self, artifacts: Artifacts, manifest: Manifest, done: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(artifacts.folder.parent, manifest, [])
        self.artifacts = artifacts
        self._done.update(done)

    def append(self, rows: Sequence[Row], seconds: float = 0.0) -> None:
        """Keeps the rows, whose images are there; the process that owns the run writes them."""
        self.artifacts.settle()
        self.rows += rows
        self._done.update((row.cell, row.sample) for row in rows)
        self.manifest = self.manifest.extended(seconds)

    def _write_manifest(self) -> None:
        """Nothing: the run's own is written by the process that owns it."""


class Worker:
    """Rebuilds the plan once, then makes shard after shard; models stay loaded."""

    def __init__(
        self, recipe: dict[str, Any], only: dict[str, str], device: str | None, shared: str
    ) -> None:
        """`shared` is the run's own artifacts folder, used where this process can see it."""
        self._parts = Parts(device)
        self._plan = plan(parse(recipe), self._parts).only(only)
        self._cells = {cell.digest: cell for cell in self._plan.cells}
        self._shares = (Path(shared) / TOKEN).is_file()
        own = Path(shared) if self._shares else Path(tempfile.mkdtemp(prefix="sallet-worker-"))
        self._artifacts = Artifacts(own)
        self._sent: set[str] = set()
        self._run: Evaluation | None = None

    def make(self, shard: Shard, done: Sequence[tuple[str, str]]) -> Made:
        """Every missing row of the shard."""
        tray = Tray(self._artifacts, Manifest.of(self._plan.recipe), done)
        if self._run is None:
            self._run = Evaluation(
                self._plan, tray, self._parts, Silent(), Answers(), cache_endpoints=False
            )
        self._run.store = tray
        size = self._plan.recipe.attack_batch
        for digest, start in shard.batches:
            cell = self._cells[digest]
            batch = cell.samples[start : start + size]
            if any(not tray.has(digest, sample.id) for sample in batch):
                self._run.batch(cell, batch)
        return Made(
            tuple(to_line(row) for row in tray.rows),
            dict(tray.manifest.weights),
            tray.manifest.seconds,
            {} if self._shares else self._taken(),
        )

    def close(self) -> None:
        """Removes what was kept here to be sent."""
        self._artifacts.writer.close()
        if not self._shares:
            shutil.rmtree(self._artifacts.folder, ignore_errors=True)

    def _taken(self) -> dict[str, bytes]:
        """The files that were made here; they are sent once."""
        found = {
            str(path.relative_to(self._artifacts.folder)): path
            for path in self._artifacts.folder.rglob("*")
            if path.is_file()
        }
        new = {name: path.read_bytes() for name, path in found.items() if name not in self._sent}
        self._sent |= set(new)
        return new


TOKEN = ".shared"
"""A file in the run's artifacts by which a worker knows that it sees the same disk."""
