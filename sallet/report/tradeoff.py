"""The price of each defence: over-refusal across, the worst success rate up, time as area."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sallet.report import words
from sallet.report.figures import Group, Line, highest

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 220, 16, 44
GAP = 15
SCALES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Point:
    """One defence; `known` is false where no attacker who knows it was measured."""

    label: str
    detail: str
    x: float
    y: float
    radius: float
    label_y: float
    known: bool
    undefended: bool
    front: bool


@dataclass(frozen=True)
class Panel:
    """The plot of one model under one kind of goal."""

    title: str
    width: int
    height: int
    left: int
    right: float
    top: int
    bottom: float
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    points: tuple[Point, ...]
    front: str
    alt: str


@dataclass(frozen=True)
class _Spot:
    """One defence in shares and seconds, before it has a place."""

    defense: str
    refused: float
    worst: float
    seconds: float
    utility: float | None
    known: bool


def panels(groups: Sequence[Group]) -> tuple[Panel, ...]:
    """A panel for each model and goal where at least two defences have both figures."""
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        found.setdefault((group.threat.model, group.threat.goal), []).append(group)
    several = len({model for model, _ in found}) > 1
    made: list[Panel] = []
    for (model, goal), among in found.items():
        spots = _spots(among)
        if len(spots) >= 2:
            made.append(_panel(f"{goal}, {model}" if several else goal, spots))
    return tuple(made)


def _spots(groups: Sequence[Group]) -> list[_Spot]:
    lines: dict[str, list[Line]] = {}
    for group in groups:
        for line in group.lines:
            lines.setdefault(line.defense, []).append(line)
    spots: list[_Spot] = []
    for defense, mine in lines.items():
        worst = highest(line.worst for line in mine)
        refused = [line.over_refusal for line in mine if line.over_refusal is not None]
        if worst is None or worst.asr is None or not refused:
            continue
        utilities = [line.utility[0] for line in mine if line.utility is not None]
        spots.append(
            _Spot(
                defense=defense,
                refused=max(refused)[0],
                worst=worst.asr[0],
                seconds=max((line.seconds or 0.0) for line in mine),
                utility=min(utilities, default=None),
                known=defense == "none" or all(line.adaptive is not None for line in mine),
            )
        )
    return spots


def _panel(title: str, spots: Sequence[_Spot]) -> Panel:
    most = max(spot.refused for spot in spots)
    scale = next((s for s in SCALES if s >= most), 1.0)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    slowest = max(spot.seconds for spot in spots) or 1.0

    def place(spot: _Spot) -> tuple[float, float]:
        x = LEFT + (right - LEFT) * spot.refused / scale
        return round(x, 1), round(bottom - (bottom - TOP) * spot.worst, 1)

    best = front(spots)
    ordered = sorted(spots, key=lambda spot: (-spot.worst, spot.refused, spot.defense))
    label_ys = _apart([place(spot)[1] for spot in ordered], TOP, bottom)
    points = tuple(
        Point(
            label=spot.defense if spot.defense != "none" else "no defence",
            detail=_detail(spot),
            x=place(spot)[0],
            y=place(spot)[1],
            radius=round(4 + 9 * math.sqrt(spot.seconds / slowest), 1),
            label_y=round(label_y, 1),
            known=spot.known,
            undefended=spot.defense == "none",
            front=spot in best,
        )
        for spot, label_y in zip(ordered, label_ys, strict=True)
    )
    steps = (0, 0.25, 0.5, 0.75, 1.0)
    return Panel(
        title=title,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=bottom,
        across=tuple(
            (LEFT + (right - LEFT) * step, f"{100 * scale * step:g} %") for step in (0, 0.5, 1.0)
        ),
        up=tuple((bottom - (bottom - TOP) * step, f"{100 * step:g} %") for step in steps),
        points=points,
        front=_stair(points),
        alt=f"{title}: " + " ".join(f"{point.label}: {point.detail}." for point in points),
    )


def front(spots: Sequence[_Spot]) -> list[_Spot]:
    """Those that no other one beats: as good in success, over-refusal and seconds, and better in
    one of them."""

    def beats(a: _Spot, b: _Spot) -> bool:
        pairs = ((a.worst, b.worst), (a.refused, b.refused), (a.seconds, b.seconds))
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    return [spot for spot in spots if not any(beats(other, spot) for other in spots)]


def _stair(points: Sequence[Point]) -> str:
    """The front of the two axes that are drawn, as a line of steps."""
    on = sorted((p for p in points if p.front), key=lambda p: (p.x, -p.y))
    drawn: list[Point] = []
    for point in on:
        if not drawn or point.y > drawn[-1].y:
            drawn.append(point)
    if len(drawn) < 2:
        return ""
    steps = [f"M{drawn[0].x:g} {drawn[0].y:g}"]
    steps += [f"H{b.x:g}V{b.y:g}" for b in drawn[1:]]
    return "".join(steps)


def _detail(spot: _Spot) -> str:
    parts = [
        f"worst attack {words.percent(spot.worst)}",
        f"over-refusal {words.percent(spot.refused)}",
        words.seconds(spot.seconds),
    ]
    if spot.utility is not None:
        parts.append(f"utility {words.percent(spot.utility)}")
    if not spot.known:
        parts.append("not measured against an attacker who knows it")
    return ", ".join(parts)


def _apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Label heights in order, at least `GAP` apart, near where they are wanted."""
    placed: list[float] = []
    for y in wanted:
        placed.append(max(y, placed[-1] + GAP) if placed else max(y, low))
    over = placed[-1] - high if placed else 0.0
    if over > 0:
        placed = [y - over for y in placed]
        for i in range(len(placed) - 2, -1, -1):
            placed[i] = min(placed[i], placed[i + 1] - GAP)
    return placed
