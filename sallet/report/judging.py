"""Who judged, how often a second judge disagrees, and the benchmarks' own figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.statistics import Rate
from sallet.report import words
from sallet.runs.record import Cell


@dataclass(frozen=True)
class Pair:
    """Two judges over all cells of one benchmark and goal: the cells' range of disagreement."""

    place: str
    judge: str
    second: str
    least: Rate
    most: Rate
    cells: int
    where: str


@dataclass(frozen=True)
class Figure:
    """A cell in its benchmark's own terms."""

    place: str
    defense: str
    n: int
    values: tuple[tuple[str, str], ...]


def pairs(cells: Sequence[Cell]) -> tuple[Pair, ...]:
    """By model, benchmark and goal."""
    found: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.disagreement is not None:
            key = cell.key
            place = f"{key.model}, {key.benchmark}" + (f", {key.goal}" if key.goal else "")
            found.setdefault((place, key.judge, cell.second_judge, key.goal or ""), []).append(cell)
    made: list[Pair] = []
    for (place, judge, second, _), among in found.items():
        ranked = sorted(among, key=lambda cell: cell.disagreement or (0.0, 0.0, 0.0))
        least, most = ranked[0], ranked[-1]
        where = f"{words.method(most)}, {most.key.defense}"
        low, high = least.disagreement, most.disagreement
        if low is not None and high is not None:
            made.append(Pair(place, judge, second, low, high, len(among), where))
    return tuple(made)


def figures(cells: Sequence[Cell]) -> tuple[Figure, ...]:
    """Every cell for which its benchmark has a scorer."""
    return tuple(
        Figure(
            place=f"{cell.key.model}, {cell.key.benchmark}, {words.method(cell)}",
            defense=cell.key.defense,
            n=cell.n - cell.unassessed,
            values=tuple((name.replace("_", " "), _shown(v)) for name, v in cell.official.items()),
        )
        for cell in cells
        if cell.official
    )


def _shown(value: Rate) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
