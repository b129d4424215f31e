"""A benchmark's categories apart: where a defence holds on the whole, one of them may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.statistics import Rate
from sallet.report import words
from sallet.report.figures import highest, is_clean
from sallet.runs.record import Cell


@dataclass(frozen=True)
class Categories:
    """One benchmark: for each category the rate of each defence's worst cell, or its utility."""

    title: str
    model: str
    measure: str
    harmful: bool
    defenses: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Rate | None, ...]], ...]


def categories(cells: Sequence[Cell]) -> tuple[Categories, ...]:
    """One for each model, benchmark and goal whose benchmark has categories."""
    found: dict[tuple[str, str, str | None], list[Cell]] = {}
    for cell in cells:
        if cell.categories:
            goal = None if is_clean(cell) else cell.key.goal
            found.setdefault((cell.key.model, cell.key.benchmark, goal), []).append(cell)
    return tuple(_of(*place, among) for place, among in found.items())


def _of(model: str, benchmark: str, goal: str | None, cells: Sequence[Cell]) -> Categories:
    chosen: dict[str, Cell] = {}
    for defense in dict.fromkeys(cell.key.defense for cell in cells):
        own = [cell for cell in cells if cell.key.defense == defense]
        worst = highest(own) if goal else own[0]
        if worst is not None:
            chosen[defense] = worst
    names = dict.fromkeys(name for cell in chosen.values() for name in cell.categories)
    return Categories(
        title=" · ".join(part for part in (benchmark, goal) if part),
        model=model,
        measure=(
            f"{words.GOALS.get(goal, 'attack success')}, under the worst attack of each defence"
            if goal
            else "answered right, unattacked"
        ),
        harmful=goal is not None,
        defenses=tuple(chosen),
        lines=tuple(
            (name, tuple(cell.categories.get(name) for cell in chosen.values())) for name in names
        ),
    )
