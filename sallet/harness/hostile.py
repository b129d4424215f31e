"""Hostile queries: made once for each object that an attack looked at, kept as 8-bit PNG files.

An attack that makes one thing for all samples makes it once; that, too, is kept.

What is evaluated is always what was read back from those files; a picture that an attack left as it
was is the sample's own, which is the same 8-bit picture. So a defence that was a surprise to the
attacker meets the very images that every other such defence met, and a resumed run the images of
the run before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sallet.attacks.checks import cell_flags
from sallet.core.guarded import Guarded
from sallet.core.protocols import Defense, Judge, Model, Progress, Shared
from sallet.core.query import Query
from sallet.core.sample import Sample
from sallet.harness import seeds
from sallet.harness.identity import defense_digest
from sallet.harness.parts import Parts
from sallet.harness.plan import PlannedCell, goal_of
from sallet.harness.revision import revision
from sallet.runs.artifacts import Artifacts, Batch
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
    queries = [_attacked(cell, sample, seed) for sample in samples]
    key = _identity(cell, samples, seed, parts)

    def attack_each() -> Batch:
        target, seen = _looked_at(cell, parts, store)
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
        return Batch(tuple(made), seconds, cell_flags(made, seen, attack))

    def lay_one_on_each() -> Batch:
        found = _crafted(cell, parts, judge, store, seed, progress)
        attack = parts.attack(cell.attack)
        assert isinstance(attack, Shared)
        share = len(samples) / len(cell.samples)
        laid = attack.lay(found.hostiles[0], queries)
        return Batch(tuple(laid), found.seconds * share, found.flags)

    make = lay_one_on_each if cell.crafting else attack_each
    return _kept(key, queries, store.artifacts, make)


def _crafted(
    cell: PlannedCell,
    parts: Parts,
    judge: Judge,
    store: Store,
    seed: int,
    progress: Progress,
) -> Batch:
    """The one thing that an attack makes for all samples, alone in its batch.

    Both halves of a benchmark, every batch of them and a resumed run get the very same.
    """

    def fit() -> Batch:
        target, seen = _looked_at(cell, parts, store)
        attack = parts.attack(cell.attack)
        assert isinstance(attack, Shared)
        began = time.perf_counter()
        found = attack.fit(
            target,
            [_attacked(cell, sample, seed) for sample in cell.crafting],
            [goal_of(cell, sample) for sample in cell.crafting],
            judge=judge,
            seed=seeds.attack(seed, cell.benchmark.name),
            progress=progress,
        )
        seconds = time.perf_counter() - began
        return Batch((found,), seconds, cell_flags([found], seen, attack))

    key = digest(["crafted", _identity(cell, (), seed, parts)])
    return _kept(key, [Query.ask("")], store.artifacts, fit)


def _attacked(cell: PlannedCell, sample: Sample, seed: int) -> Query:
    own = seeds.attacker(seed, cell.benchmark.name, sample.id)
    return sample.query.with_defense_seed(own)


def _kept(
    key: str, queries: Sequence[Query], artifacts: Artifacts, make: Callable[[], Batch]
) -> Batch:
    """What `make` makes, or what it made in the run before: as the files have it."""
    found = artifacts.load_batch(key, queries)
    return artifacts.save_batch(key, make(), queries) if found is None else found


def _looked_at(cell: PlannedCell, parts: Parts, store: Store) -> tuple[Model, Defense | None]:
    """The threat model is which object the attack is handed."""
    model = parts.model(cell.source or cell.model)
    if cell.source and cell.key.source:
        store.pin(cell.key.source, revision(model))
    if cell.key.access != "adaptive":
        return model, None
    defense = parts.defense(cell.defense, cell.pinned)
    return Guarded(model, defense), defense


def _identity(cell: PlannedCell, samples: Sequence[Sample], seed: int, parts: Parts) -> str:
    """What decides a batch's hostile images; the defence, its weights too, only if the attack
    looked at it."""
    model = None if cell.attack.blind else asdict(cell.source or cell.model)
    adaptive = cell.key.access == "adaptive"
    defense = defense_digest(cell.defense, parts) if adaptive else None
    attack = {k: v for k, v in asdict(cell.attack).items() if k not in _RESTRICTIONS}
    benchmark = {k: v for k, v in asdict(cell.benchmark).items() if k != "limit"}
    pinned = [cell.pinned] if defense and cell.pinned is not None else []
    crafting = [[s.id for s in cell.crafting]] if cell.crafting else []
    ids = [s.id for s in samples]
    return digest([model, defense, attack, benchmark, ids, seed, *crafting, *pinned])


_RESTRICTIONS = ("benchmarks", "defenses", "access", "split")
