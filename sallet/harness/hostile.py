"""Hostile queries: made once for each object that an attack looked at, kept as 8-bit PNG files.

What is evaluated is always what was read back from those files. So a defence that was a surprise
to the attacker meets the very images that every other such defence met, and a resumed run the
images of the run before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

from sallet.attacks.checks import cell_flags
from sallet.core.errors import StoreError
from sallet.core.guarded import Guarded
from sallet.core.protocols import Defense, Judge, Model, Progress
from sallet.core.sample import Sample
from sallet.harness import seeds
from sallet.harness.parts import Parts
from sallet.harness.plan import PlannedCell, goal_of
from sallet.harness.revision import revision
from sallet.runs.artifacts import Batch
from sallet.runs.recipe import digest
from sallet.runs.store import Store


def hostile(
    cell: PlannedCell,
    samples: Sequence[Sample],
    *,
    parts: Parts,
    judge: Judge,
    store: Store,
    seed: int,
    progress: Progress,
) -> Batch:
    """The hostile queries of one batch of a cell's samples, from their files."""
    key, artifacts = _identity(cell, samples, seed), store.artifacts
    names = [seeds.attacker(seed, cell.benchmark.name, sample.id) for sample in samples]
    queries = [s.query.with_defense_seed(name) for s, name in zip(samples, names, strict=True)]
    found = artifacts.load_batch(key, queries)
    if found is None:
        target, seen = _looked_at(cell, parts)
        if cell.source and cell.key.source:
            store.pin(cell.key.source, revision(parts.model(cell.source)))
        attack = parts.attack(cell.attack)
        began = time.perf_counter()
        made = attack(
            target,
            queries,
            [goal_of(cell, sample) for sample in samples],
            judge=judge,
            seed=seeds.attack(seed, cell.benchmark.name),
            progress=progress,
        )
        seconds = time.perf_counter() - began
        artifacts.save_batch(key, Batch(tuple(made), seconds, cell_flags(made, seen, attack)))
        found = artifacts.load_batch(key, queries)
        if found is None:
            raise StoreError(f"{artifacts.folder} changed while the run wrote to it; start anew")
    return found


def _looked_at(cell: PlannedCell, parts: Parts) -> tuple[Model, Defense | None]:
    """The threat model is which object the attack is handed."""
    model = parts.model(cell.source or cell.model)
    if cell.key.access != "adaptive":
        return model, None
    defense = parts.defense(cell.defense, cell.pinned)
    return Guarded(model, defense), defense


def _identity(cell: PlannedCell, samples: Sequence[Sample], seed: int) -> str:
    """What decides a batch's hostile images; the defence only if the attack looked at it."""
    model = None if cell.attack.blind else asdict(cell.source or cell.model)
    defense = asdict(cell.defense) if cell.key.access == "adaptive" else None
    attack = {k: v for k, v in asdict(cell.attack).items() if k not in _RESTRICTIONS}
    benchmark = {k: v for k, v in asdict(cell.benchmark).items() if k != "limit"}
    pinned = [cell.pinned] if defense and cell.pinned is not None else []
    return digest([model, defense, attack, benchmark, [s.id for s in samples], seed, *pinned])


_RESTRICTIONS = ("benchmarks", "defenses", "access")
