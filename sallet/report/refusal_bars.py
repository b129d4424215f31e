"""Who refused: the model, a defence by its name, or a fallback; a defence's words are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.report import words
from sallet.report.figures import Cost, Group, refusals
from sallet.runs.record import Cell


@dataclass(frozen=True)
class Share:
    """One part of a bar; `kind` decides its colour."""

    name: str
    kind: str  # model, defense, fallback, answered or unassessed
    count: int
    start: float  # in per cent of the bar
    width: float


@dataclass(frozen=True)
class Bar:
    """The answers of one defence to one set of questions."""

    model: str
    questions: str
    defense: str
    n: int
    shares: tuple[Share, ...]


def bars(groups: Sequence[Group], costs: Sequence[Cost]) -> tuple[Bar, ...]:
    """Benign questions first, then harmful ones, by model and defence."""
    benign = [
        _bar(cost.model, "benign, unattacked", cost.defense, cost.n, cost.unassessed, cost)
        for cost in costs
    ]
    harmful = [
        _bar(group.threat.model, words.title(group.threat), line.defense, *_counts(cell), cell)
        for group in groups
        if group.threat.goal == "jailbreak"
        for line in group.lines
        for cell in [line.worst]
        if cell is not None
    ]
    return tuple(benign + harmful)


def _counts(cell: Cell) -> tuple[int, int]:
    return cell.n, cell.unassessed


def _bar(
    model: str, questions: str, defense: str, n: int, unassessed: int, source: Cost | Cell
) -> Bar:
    refused = refusals([source]) if isinstance(source, Cell) else dict(source.refused_by)
    rest = max(n - unassessed - sum(refused.values()), 0)
    parts = [(words.who(who), _kind(who), count) for who, count in refused.items()]
    parts += [("answered", "answered", rest), ("unassessed", "unassessed", unassessed)]
    total = max(sum(count for _, _, count in parts), 1)
    shares: list[Share] = []
    start = 0.0
    for name, kind, count in parts:
        if count:
            width = 100 * count / total
            shares.append(Share(name, kind, count, round(start, 2), round(width, 2)))
            start += width
    return Bar(model, questions, defense, n, tuple(shares))


def _kind(who: str) -> str:
    return who if who in ("model", "fallback") else "defense"
