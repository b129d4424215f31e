"""Doubts that only a comparison of cells can raise. A doubt is printed, never a correction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sallet.harness.keys import place
from sallet.runs.record import Cell, CellKey

CONTROL = "uniform-noise"


def with_doubts(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, each with the flags that its neighbours raise; names are in `attacks.checks`."""
    return [
        replace(cell, flags=tuple(dict.fromkeys([*cell.flags, *_doubts(cell, cells)])))
        for cell in cells
    ]


def _doubts(cell: Cell, cells: Sequence[Cell]) -> Iterator[str]:
    if cell.asr is None or cell.key.attack == "none":
        return
    rate, low, _ = cell.asr
    for other in cells:
        if other is cell or other.asr is None:
            continue
        if (
            _same_but(cell.key, other.key, "eps")
            and (other.key.eps or 0) < (cell.key.eps or 0)
            and rate < other.asr[1]
        ):
            yield "larger-eps-not-better"
        if (
            cell.key.access == "adaptive"
            and other.key.access == "oblivious"
            and _same_but(cell.key, other.key, "access")
            and rate < other.asr[1]
        ):
            yield "oblivious-beats-adaptive"
        if (
            other.key.attack == CONTROL != cell.key.attack
            and rate > 0
            and _same_but(cell.key, other.key, "attack", "access", "source")
            and other.asr[2] >= low
        ):
            yield "noise-nearly-as-good"


def _same_but(one: CellKey, other: CellKey, *free: str) -> bool:
    """Whether two keys agree elsewhere; an attack's own parameters go with its name."""
    more = ("params.attack.",) if "attack" in free else ()
    return place(one, *free, *more) == place(other, *free, *more)
