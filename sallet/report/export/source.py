"""A run as every format sees it: its rows, and their sums as `summary.json` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sallet.harness.keys import namer
from sallet.harness.summary import summarize
from sallet.report import words
from sallet.runs.artifacts import Artifacts
from sallet.runs.manifest import Manifest
from sallet.runs.record import CellKey, Row
from sallet.runs.store import Store


@dataclass(frozen=True)
class Arm:
    """One cell: its sums under the names of `summary.json`, its rows, and words for what it is."""

    words: tuple[str, ...]  # the model's name first, the defence's last
    digest: str
    key: CellKey
    sums: Mapping[str, Any]
    rows: Sequence[Row]

    @property
    def name(self) -> str:
        """All of it on one line."""
        return ", ".join(self.words)


@dataclass(frozen=True)
class Source:
    """A run that has rows. Sums are made of them here, never read from a file."""

    folder: Path
    manifest: Manifest
    rows: Sequence[Row]
    artifacts: Artifacts

    @classmethod
    def of(cls, store: Store) -> Source:
        """The run of a store."""
        return cls(store.folder, store.manifest, store.rows, store.artifacts)

    @property
    def recipe(self) -> str:
        """The name that the recipe gives itself."""
        return str(self.manifest.recipe.get("name", "unnamed"))

    @property
    def made_by(self) -> str:
        """What made it, for captions: version, recipe, digest."""
        made = self.manifest
        return f"sallet {made.sallet}, recipe {self.recipe}, digest {made.digest}"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` says, or would."""
        return summarize(self.manifest, self.rows)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every cell with its rows, in the order in which they were begun."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.cell, []).append(row)
        keys = [rows[0].key for rows in groups.values()]
        return tuple(
            Arm(told, digest, key, sums, rows)
            for told, key, sums, (digest, rows) in zip(
                named(keys), keys, self.summary["cells"], groups.items(), strict=True
            )
        )


def named(keys: Sequence[CellKey]) -> list[tuple[str, ...]]:
    """Words for each cell, no more than tell it from the others.

    `world/llava-strong`, `world/where`, `untargeted`, `L∞ 8/255`, `pgd adaptive`, `jpeg`
    """
    model, attack, defense = (namer(keys, by) for by in ("model", "attack", "defense"))
    judges = len({key.judge for key in keys}) > 1
    found = [
        (
            model(key),
            key.benchmark,
            f"{key.split} split" if key.split else "",
            f"judged by {key.judge}" if judges else "",
            key.goal or "",
            words.budget(key.norm, key.eps),
            attack(key) if key.attack != "none" else "images as they are",
            f"{key.resubmissions} tries" if key.resubmissions > 1 else "",
            defense(key) if key.defense != "none" else "no defence",
        )
        for key in keys
    ]
    return [tuple(word for word in every if word) for every in found]
