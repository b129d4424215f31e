"""Doubts that only a comparison of cells can raise. A doubt is printed, never a correction."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from sallet.attacks.members import name_of, names
from sallet.core.statistics import Rate
from sallet.harness.keys import FREE, place
from sallet.runs.recipe import BLACK_BOX, BLIND
from sallet.runs.record import Cell, CellKey

CONTROL = "uniform-noise"
HUGE, TOTAL = 64.0, 0.95
"""From this many 8-bit steps on, an attack that works leaves no more than a twentieth."""
BEYOND = 0.05
"""Share of a cell's samples that queries may break where the gradient did not, without a doubt."""

Neighbours: TypeAlias = Callable[[CellKey], Sequence[tuple[CellKey, Rate]]]


def with_doubts(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, each with the flags that it and its neighbours raise; names are in
    `attacks.checks`."""
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
        if _knowing(key) and _huge(key) and rate < TOTAL:
            yield "huge-eps-not-total"
        if _beyond(cell) > BEYOND or (_white(key) and _outdone(attacks(key))):
            yield "black-box-beats-white-box"

    return [
        replace(cell, flags=tuple(dict.fromkeys([*cell.flags, *doubts(cell)]))) for cell in cells
    ]


def _huge(key: CellKey) -> bool:
    """Whether the whole picture may become another; a patch is bounded by its side."""
    return key.norm == "linf" and (key.eps or 0) >= HUGE and key.attack != "patch"


def _knowing(key: CellKey) -> bool:
    """Whether the attack saw the very object that it was sent to; no surprise can be in its way."""
    return key.access == "adaptive" or (key.access == "oblivious" and key.defense == "none")


def _white(key: CellKey) -> bool:
    """Whether it had that object's gradient."""
    return _knowing(key) and key.attack not in (*BLIND, *BLACK_BOX)


def _outdone(rivals: Sequence[tuple[CellKey, Rate]]) -> bool:
    """Whether the best attack with a gradient did less than one without, beyond its interval."""
    best = max(asr[0] for key, asr in rivals if _white(key))
    return any(
        best < asr[1]
        for key, asr in rivals
        if key.attack in BLACK_BOX or (key.access == "transfer" and key.attack not in BLIND)
    )


def _beyond(cell: Cell) -> float:
    """The share that an ensemble's black-box members broke after its others had not."""
    listed = cell.key.params.get("members")
    if not isinstance(listed, str) or not _knowing(cell.key):
        return 0.0
    row = names(listed)
    white = [i for i, name in enumerate(row) if name not in (*BLIND, *BLACK_BOX)]
    if not white:
        return 0.0
    late = {name for name in row[white[-1] :] if name in BLACK_BOX}
    fell = sum(n for label, n in cell.broken_by.items() if name_of(label) in late)
    counted = cell.eligible if cell.key.goal == "untargeted" else cell.n - cell.unassessed
    return fell / counted if counted else 0.0


def _neighbours(cells: Sequence[Cell], *free: str) -> Neighbours:
    """Finds the keys, with their success rates, that agree with one in all but these values."""
    known: dict[Hashable, list[tuple[CellKey, Rate]]] = {}
    for cell in cells:
        if cell.asr is not None:
            known.setdefault(place(cell.key, *free), []).append((cell.key, cell.asr))
    return lambda key: known.get(place(key, *free), ())
