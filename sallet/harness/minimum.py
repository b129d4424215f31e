"""The minimum over attacks: a sample is robust only if no attack that was tried broke it.

The smallest of several rates is not that: attacks break different samples, and an attacker may try
them all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from sallet.core.statistics import Rate, rate
from sallet.harness.doubts import CONTROL
from sallet.harness.keys import FREE, place
from sallet.harness.measures import broken, flipped, share
from sallet.runs.recipe import CONTROLS
from sallet.runs.record import CellKey, Row


@dataclass(frozen=True)
class Tried:
    """One attack: its success over the samples that all of them assessed, and over its own."""

    key: CellKey
    common: Rate
    own: Rate | None
    n: int  # that count in its own rate


@dataclass(frozen=True)
class Minimum:
    """What is left of one guarded model under all attacks of one goal and size.

    `n` samples were assessed under every attack (and, untargeted, were answered right when
    unattacked); `left_out` were under some only. The flip rate and the control (random noise of
    the same size) are over the same samples, as far as they were assessed.
    """

    key: CellKey  # of the first attack
    n: int
    left_out: int
    broken: Rate
    flip_rate: Rate | None
    control: Rate | None
    attacks: tuple[Tried, ...]

    @property
    def robust(self) -> Rate:
        """The share that no attack broke."""
        share, low, high = self.broken
        return 1 - share, 1 - high, 1 - low


def minima(rows: Iterable[Row]) -> list[Minimum]:
    """One for each model, defence, benchmark, goal and size that was attacked at all."""
    cells: dict[str, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    places: dict[Hashable, list[list[Row]]] = {}
    for cell in cells.values():
        places.setdefault(place(cell[0].key, *FREE["attack"]), []).append(cell)
    found = (_minimum(group) for group in places.values())
    return [one for one in found if one is not None]


def _minimum(cells: Sequence[Sequence[Row]]) -> Minimum | None:
    attacks = [cell for cell in cells if cell[0].key.attack not in CONTROLS]
    counted = [{row.sample for row in cell if broken(row) is not None} for cell in attacks]
    common = set[str].intersection(*counted) if counted else set[str]()
    if not common:
        return None
    first = [row for row in attacks[0] if row.sample in common]
    fell = {row.sample for cell in attacks for row in cell if row.sample in common and broken(row)}
    whole = rate([row.sample in fell for row in first], [row.cluster for row in first])
    assert whole is not None  # `common` is not empty
    noise = [row for cell in cells if cell[0].key.attack == CONTROL for row in cell]
    return Minimum(
        key=first[0].key,
        n=len(common),
        left_out=len(set[str].union(*counted)) - len(common),
        broken=whole,
        flip_rate=share(first, flipped),
        control=share([row for row in noise if row.sample in common], broken),
        attacks=tuple(_tried(cell, common) for cell in attacks),
    )


def _tried(cell: Sequence[Row], common: set[str]) -> Tried:
    within = share([row for row in cell if row.sample in common], broken)
    assert within is not None  # every sample of `common` counts in every cell
    n = sum(broken(row) is not None for row in cell)
    return Tried(cell[0].key, within, share(cell, broken), n)
