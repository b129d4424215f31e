"""From cells to what is set side by side: for each threat, every defence.

No figure is corrected or left out here. A defence whose adaptive figure is missing keeps an empty
place for it, and the worst case is the largest success rate over all attacks of that budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sallet.core.statistics import Rate
from sallet.runs.record import Cell, CellKey

CONTROL = "uniform-noise"
NOTHING = "none"


@dataclass(frozen=True)
class Threat:
    """What is attempted against whom; `attacked` is false where the images are as they are."""

    model: str
    benchmark: str
    goal: str
    split: str | None
    norm: str | None
    eps: float | None
    attacked: bool


@dataclass(frozen=True)
class Line:
    """One defence under one threat; `worst` is one of the three figures before it, `transfer` the
    highest of `transfers`."""

    defense: str
    undefended: bool
    oblivious: Cell | None
    adaptive: Cell | None
    transfer: Cell | None
    worst: Cell | None
    transfers: tuple[Cell, ...]
    control: Cell | None
    utility: Rate | None
    over_refusal: Rate | None
    calls: float | None
    seconds: float | None

    @property
    def measured(self) -> tuple[Cell, ...]:
        """The cells of this line, each once."""
        cells = (self.oblivious, self.adaptive, self.transfer, self.control)
        return tuple({id(cell): cell for cell in cells if cell is not None}.values())

    @property
    def elsewhere(self) -> bool:
        """Whether the adaptive figure was taken at another budget than the line's own."""
        return (
            self.adaptive is not None
            and self.oblivious is not None
            and self.adaptive.key.eps != self.oblivious.key.eps
        )


@dataclass(frozen=True)
class Group:
    """One threat, and every defence that was measured under it."""

    threat: Threat
    lines: tuple[Line, ...]

    @property
    def undefended(self) -> Line | None:
        """The line of the bare model."""
        return next((line for line in self.lines if line.undefended), None)

    @property
    def defended(self) -> tuple[Line, ...]:
        """The lines of the defences."""
        return tuple(line for line in self.lines if not line.undefended)


@dataclass(frozen=True)
class Cost:
    """What one defence costs one model when nobody attacks."""

    model: str
    defense: str
    utility: tuple[tuple[str, Rate], ...]  # by benchmark
    over_refusal: tuple[tuple[str, Rate], ...]
    refused_by: Mapping[str, int]
    n: int
    unassessed: int
    calls: float
    seconds: float


def is_harmful(cell: Cell) -> bool:
    """Whether to comply at all is the attacker's success."""
    return cell.key.goal == "jailbreak" or cell.harmless is not None


def is_clean(cell: Cell) -> bool:
    """Whether it says what a defence costs: nobody attacks, nothing is harmful."""
    return cell.key.attack == NOTHING and not is_harmful(cell)


def groups(cells: Sequence[Cell]) -> tuple[Group, ...]:
    """Every threat, by model, attacks before images as they are, else in the order of the cells."""
    found: dict[Threat, list[Cell]] = {}
    for cell in cells:
        if not is_clean(cell):
            found.setdefault(_threat(cell.key), []).append(cell)
    prices = {(cost.model, cost.defense): cost for cost in costs(cells)}
    models = list(dict.fromkeys(threat.model for threat in found))
    ordered = sorted(found, key=lambda t: (models.index(t.model), not t.attacked))
    return tuple(Group(t, _lines(t, found[t], cells, prices)) for t in ordered)


def costs(cells: Iterable[Cell]) -> tuple[Cost, ...]:
    """What every defence costs, from the benign cells that nobody attacks."""
    clean: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if is_clean(cell):
            clean.setdefault((cell.key.model, cell.key.defense), []).append(cell)
    return tuple(_cost(model, defense, found) for (model, defense), found in clean.items())


def refusals(cells: Iterable[Cell]) -> dict[str, int]:
    """Who refused how often, the most frequent first."""
    total: dict[str, int] = {}
    for cell in cells:
        for who, count in cell.refused_by.items():
            if count and who not in ("", "none", "null", "None"):
                total[who] = total.get(who, 0) + count
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def highest(cells: Iterable[Cell | None]) -> Cell | None:
    """The cell with the largest success rate; one without a rate only where there is no other."""
    found = [cell for cell in cells if cell is not None]
    if not found:
        return None
    return max(found, key=lambda cell: -1.0 if cell.asr is None else cell.asr[0])


def _lines(
    threat: Threat,
    among: Sequence[Cell],
    cells: Sequence[Cell],
    prices: Mapping[tuple[str, str], Cost],
) -> tuple[Line, ...]:
    order = dict.fromkeys(cell.key.defense for cell in among)
    return tuple(_line(threat, defense, among, cells, prices) for defense in order)


def _line(
    threat: Threat,
    defense: str,
    among: Sequence[Cell],
    cells: Sequence[Cell],
    prices: Mapping[tuple[str, str], Cost],
) -> Line:
    mine = [cell for cell in among if cell.key.defense == defense]
    controls = [cell for cell in mine if cell.key.attack == CONTROL]
    mine = [cell for cell in mine if cell.key.attack != CONTROL]
    undefended = defense == NOTHING
    unaware = highest(cell for cell in mine if cell.key.access in ("none", "oblivious"))
    transfers = tuple(cell for cell in mine if cell.key.access == "transfer")
    transfer = highest(transfers)
    aware = highest(cell for cell in mine if cell.key.access == "adaptive")
    if undefended:
        unaware = aware = highest((unaware, aware))
    elif aware is None and not threat.attacked:
        aware = _optimised(threat, defense, cells)
    cost = prices.get((threat.model, defense))
    answered = unaware or aware or transfer
    return Line(
        defense=defense,
        undefended=undefended,
        oblivious=unaware,
        adaptive=aware,
        transfer=transfer,
        worst=highest((unaware, aware, transfer)),
        transfers=transfers,
        control=highest(controls),
        utility=_utility(cost, threat.benchmark),
        over_refusal=max((rate for _, rate in cost.over_refusal), default=None) if cost else None,
        calls=cost.calls if cost else answered.calls_per_answer if answered else None,
        seconds=cost.seconds if cost else answered.seconds_per_answer if answered else None,
    )


def _optimised(threat: Threat, defense: str, cells: Sequence[Cell]) -> Cell | None:
    """For images as they are: the best that an attacker who knew the defence did, at any budget."""
    return highest(
        cell
        for cell in cells
        if cell.key.access == "adaptive"
        and cell.key.defense == defense
        and (cell.key.model, cell.key.benchmark, cell.key.goal, cell.key.split)
        == (threat.model, threat.benchmark, threat.goal, threat.split)
    )


def _utility(cost: Cost | None, benchmark: str) -> Rate | None:
    """The benchmark's own where it has one, else the lowest of all benign ones."""
    if cost is None:
        return None
    return dict(cost.utility).get(benchmark) or min(
        (rate for _, rate in cost.utility), default=None
    )


def _cost(model: str, defense: str, cells: Sequence[Cell]) -> Cost:
    n = sum(cell.n for cell in cells)

    def mean(values: Iterable[float]) -> float:
        return sum(v * c.n for v, c in zip(values, cells, strict=True)) / n if n else 0.0

    def rates(name: str) -> tuple[tuple[str, Rate], ...]:
        found = ((cell.key.benchmark, getattr(cell, name)) for cell in cells)
        return tuple((benchmark, rate) for benchmark, rate in found if rate is not None)

    return Cost(
        model=model,
        defense=defense,
        utility=rates("utility"),
        over_refusal=rates("over_refusal"),
        refused_by=refusals(cells),
        n=n,
        unassessed=sum(cell.unassessed for cell in cells),
        calls=mean(cell.calls_per_answer for cell in cells),
        seconds=mean(cell.seconds_per_answer for cell in cells),
    )


def _threat(key: CellKey) -> Threat:
    goal = key.goal or "untargeted"
    attacked = key.attack != NOTHING
    norm, eps = (key.norm, key.eps) if attacked else (None, None)
    return Threat(key.model, key.benchmark, goal, key.split, norm, eps, attacked)
