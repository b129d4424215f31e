"""Doubts that only a comparison of cells can raise. A doubt is printed, never a correction."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from sallet.core.statistics import Rate
from sallet.harness.keys import FREE, place
from sallet.runs.record import Cell, CellKey

CONTROL = "uniform-noise"

Neighbours: TypeAlias = Callable[[CellKey], Sequence[tuple[CellKey, Rate]]]


def with_doubts(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, each with the flags that its neighbours raise; names are in `attacks.checks`."""
    sizes = _neighbours(cells, "eps")
    accesses = _neighbours(cells, "access")
    attacks = _neighbours(cells, *FREE["attack"])

    def doubts(cell: Cell) -> Iterator[str]:
        if cell.asr is None or cell.key.attack == "none":
            return
        key, (rate, low, _) = cell.key, cell.asr
        if any((other.eps or 0) < (key.eps or 0) and rate < asr[1] for other, asr in sizes(key)):
            yield "larger-eps-not-better"
        if key.access == "adaptive" and any(
            other.access == "oblivious" and rate < asr[1] for other, asr in accesses(key)
        ):
            yield "oblivious-beats-adaptive"
        if (key.attack != CONTROL and rate > 0) and any(
            other.attack == CONTROL and asr[2] >= low for other, asr in attacks(key)
        ):
            yield "noise-nearly-as-good"

    return [
        replace(cell, flags=tuple(dict.fromkeys([*cell.flags, *doubts(cell)]))) for cell in cells
    ]


def _neighbours(cells: Sequence[Cell], *free: str) -> Neighbours:
    """Finds the keys, with their success rates, that agree with one in all but these values."""
    known: dict[Hashable, list[tuple[CellKey, Rate]]] = {}
    for cell in cells:
        if cell.asr is not None:
            known.setdefault(place(cell.key, *free), []).append((cell.key, cell.asr))
    return lambda key: known.get(place(key, *free), ())
