"""Attacks down, defences across: in each place the worst case, with its interval and its n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.report import words
from sallet.report.figures import CONTROL, NOTHING, highest, is_clean
from sallet.runs.record import Cell


@dataclass(frozen=True)
class Square:
    """One attack against one defence: its worst cell, or None where nobody tried."""

    cell: Cell | None
    heat: float | None

    @property
    def knows(self) -> str:
        """What the attacker of the worst case looked at."""
        if self.cell is None or self.cell.key.access == "none":
            return ""
        source = f" from {self.cell.key.source}" if self.cell.key.source else ""
        return f"{self.cell.key.access}{source}"


@dataclass(frozen=True)
class Strip:
    """One attack against every defence; `control` where it is none."""

    name: str
    squares: tuple[Square, ...]
    control: bool = False


@dataclass(frozen=True)
class Heatmap:
    """One model, benchmark and goal. The last strip is the worst of all attacks."""

    title: str
    model: str
    defenses: tuple[str, ...]
    strips: tuple[Strip, ...]


def heatmaps(cells: Sequence[Cell]) -> tuple[Heatmap, ...]:
    """One for each model, benchmark, split and goal, with more than one place in it."""
    found: dict[tuple[str, str, str | None, str], list[Cell]] = {}
    for cell in cells:
        if not is_clean(cell):
            key = cell.key
            place = (key.model, key.benchmark, key.split, key.goal or "untargeted")
            found.setdefault(place, []).append(cell)
    made = [_heatmap(*place, among) for place, among in found.items()]
    return tuple(one for one in made if len(one.strips) * len(one.defenses) > 2)


def _heatmap(
    model: str, benchmark: str, split: str | None, goal: str, cells: Sequence[Cell]
) -> Heatmap:
    defenses = tuple(dict.fromkeys(cell.key.defense for cell in cells))
    names = dict.fromkeys(_name(cell) for cell in cells)
    strips = [
        _strip(name, defenses, [cell for cell in cells if _name(cell) == name]) for name in names
    ]
    attacks = [cell for cell in cells if cell.key.attack != CONTROL]
    if len({_name(cell) for cell in attacks}) > 1:
        strips.append(_strip("worst of all", defenses, attacks))
    title = " · ".join(part for part in (benchmark, split and f"{split} split", goal) if part)
    return Heatmap(title, model, defenses, tuple(strips))


def _strip(name: str, defenses: Sequence[str], cells: Sequence[Cell]) -> Strip:
    squares: list[Square] = []
    for defense in defenses:
        worst = highest(cell for cell in cells if cell.key.defense == defense)
        heat = worst.asr[0] if worst is not None and worst.asr is not None else None
        squares.append(Square(worst, heat))
    return Strip(name, tuple(squares), all(cell.key.attack == CONTROL for cell in cells))


def _name(cell: Cell) -> str:
    """The attack and its size; its other settings do not part it."""
    key = cell.key
    if key.attack == NOTHING:
        return "images as they are"
    name = "uniform noise" if key.attack == CONTROL else key.attack
    return " ".join(part for part in (name, words.budget(key.norm, key.eps)) if part)
