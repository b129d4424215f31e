"""Success against what was turned up: epsilon, steps, a defence's sigma, resubmissions.

A curve is of cells that agree in everything but that one thing; nothing is fitted or smoothed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sallet.core.statistics import Rate
from sallet.report import words
from sallet.report.figures import CONTROL, NOTHING
from sallet.runs.record import Cell, Scalar

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 250, 48, 12, 14, 42
MOST = 7
"""Curves that one plot holds; the colours of more could not be told apart."""


@dataclass(frozen=True)
class Dot:
    """One cell of a curve, placed."""

    x: float
    y: float
    low: float
    high: float
    hint: str


@dataclass(frozen=True)
class Curve:
    """One defence, and what its attacker knows."""

    label: str
    dots: tuple[Dot, ...]

    @property
    def path(self) -> str:
        """As SVG draws it."""
        return "M" + "L".join(f"{dot.x:g} {dot.y:g}" for dot in self.dots)


@dataclass(frozen=True)
class Plot:
    """All curves of one model, benchmark, goal and attack against one thing."""

    title: str
    axis: str
    ticks: tuple[tuple[float, str], ...]
    rises: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]
    left_out: int
    alt: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


Points = dict[str, list[tuple[float, Rate, int]]]


def plots(cells: Sequence[Cell]) -> tuple[Plot, ...]:
    """Every plot for which at least one curve has two points."""
    attacked = [c for c in cells if c.key.attack != NOTHING and c.asr is not None and c.key.goal]
    found: dict[tuple[str, str], Points] = {}
    for axis, value in AXES.items():
        for cell in attacked:
            x = value(cell)
            if x is not None and cell.asr is not None:
                where = (axis, _place(cell, axis))
                line = found.setdefault(where, {}).setdefault(_label(cell, axis), [])
                line.append((x, cell.asr, cell.n))
    for cell in cells:
        for number, rate in enumerate(cell.resubmission_curve, start=1):
            where = ("submissions", _place(cell, "submissions"))
            line = found.setdefault(where, {}).setdefault(_label(cell, "submissions"), [])
            line.append((float(number), rate, cell.n))
    made = [_plot(axis, title, points) for (axis, title), points in found.items()]
    return tuple(plot for plot in made if plot is not None)


def _steps(cell: Cell) -> float | None:
    return _number(cell.key.params.get("steps"))


def _sigma(cell: Cell) -> float | None:
    """The defence's, or its first layer's that has one; attacks have sigmas of their own."""
    params = cell.key.params.items()
    own = (v for k, v in params if k.startswith("defense.") and k.endswith(".sigma"))
    return _number(next(own, None))


def _number(value: Scalar) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


AXES: dict[str, Callable[[Cell], float | None]] = {
    "eps": lambda cell: cell.key.eps,
    "steps": _steps,
    "sigma": _sigma,
}
NAMES = {
    "eps": "epsilon, in 8-bit units",
    "steps": "steps of the attack",
    "sigma": "sigma of the defence",
    "submissions": "submissions of the same file",
}


def _place(cell: Cell, axis: str) -> str:
    key = cell.key
    size = "" if axis == "eps" else words.budget(key.norm, key.eps)
    parts = (key.model, key.benchmark, key.split and f"{key.split} split", key.goal)
    attack = "" if axis == "eps" else key.attack
    return " · ".join(part for part in (*parts, attack, size) if part)


def _label(cell: Cell, axis: str) -> str:
    key = cell.key
    defense = key.defense.partition(" (")[0] if axis == "sigma" else key.defense
    name = "no defence" if defense == NOTHING else defense
    if axis == "eps":
        name = f"{'noise' if key.attack == CONTROL else key.attack}: {name}"
    steps = key.params.get("steps") if axis in ("eps", "sigma") else None
    return ", ".join(
        part
        for part in (
            name,
            key.access if key.access != "none" else "",
            f"{steps} steps" if steps else "",
        )
        if part
    )


def _plot(axis: str, title: str, points: Points) -> Plot | None:
    lines = {name: _sorted(line) for name, line in points.items()}
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    if not lines:
        return None
    kept = dict(list(lines.items())[:MOST])
    xs = sorted({x for line in kept.values() for x, _, _ in line})
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def across(x: float) -> float:
        """Evenly spaced: what was turned up is often doubled, and every point should be seen."""
        return round(LEFT + (right - LEFT) * (xs.index(x) + 0.5) / len(xs), 1)

    def up(share: float) -> float:
        return round(bottom - (bottom - TOP) * share, 1)

    curves = tuple(
        Curve(
            label=name,
            dots=tuple(
                Dot(
                    across(x),
                    up(r[0]),
                    up(r[1]),
                    up(r[2]),
                    f"{name}, {x:g}: {words.full(r)}, n {n}",
                )
                for x, r, n in line
            ),
        )
        for name, line in kept.items()
    )
    said = "; ".join(
        f"{name}: " + ", ".join(f"{x:g} {words.percent(r[0])}" for x, r, _ in line)
        for name, line in kept.items()
    )
    return Plot(
        title=title,
        axis=NAMES[axis],
        ticks=tuple((across(x), f"{x:g}") for x in xs),
        rises=tuple((up(share), f"{100 * share:g} %") for share in (0, 0.25, 0.5, 0.75, 1)),
        curves=curves,
        left_out=len(lines) - len(kept),
        alt=f"Attack success against {NAMES[axis]}, {title}. {said}",
    )


def _sorted(line: Sequence[tuple[float, Rate, int]]) -> list[tuple[float, Rate, int]]:
    """By x, once each: of cells that differ in what is not shown, the worst."""
    best: dict[float, tuple[float, Rate, int]] = {}
    for point in line:
        known = best.get(point[0])
        if known is None or point[1][0] > known[1][0]:
            best[point[0]] = point
    return [best[x] for x in sorted(best)]
