"""The forest plot: for every defence, what the unaware and the knowing attacker reach."""

from __future__ import annotations

from dataclasses import dataclass

from sallet.report import words
from sallet.report.figures import Group, Line
from sallet.runs.record import Cell

WIDTH, LEFT, RIGHT = 580, 160, 62
TOP, STEP, TRACK = 26, 46, 13
LONGEST = 21


@dataclass(frozen=True)
class Mark:
    """One figure: its point and its interval, in the plot's coordinates."""

    kind: str  # oblivious, adaptive, transfer or control
    x: float
    low: float
    high: float
    y: float
    text: str
    hint: str


@dataclass(frozen=True)
class Strip:
    """One defence: its marks, and the words where one is missing."""

    label: str
    whole: str
    y: float
    top: float
    shaded: bool
    marks: tuple[Mark, ...]
    missing: float | None  # where to write "not measured"


@dataclass(frozen=True)
class Forest:
    """The plot of one group."""

    width: int
    height: float
    left: int
    right: int
    ticks: tuple[tuple[float, str], ...]
    strips: tuple[Strip, ...]
    kinds: tuple[str, ...]
    alt: str


def forest(group: Group) -> Forest:
    """Success rates on one axis from 0 to 100 %, a strip for each defence."""
    strips = tuple(_strip(line, i) for i, line in enumerate(group.lines))
    ticks = tuple((_x(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100))
    present = {mark.kind for strip in strips for mark in strip.marks}
    return Forest(
        width=WIDTH,
        height=TOP + STEP * len(strips) + 8,
        left=LEFT,
        right=WIDTH - RIGHT,
        ticks=ticks,
        strips=strips,
        kinds=tuple(k for k in ("oblivious", "adaptive", "transfer", "control") if k in present),
        alt=f"Attack success of {words.title(group.threat)}. "
        + " ".join(_spoken(line) for line in group.lines),
    )


def _strip(line: Line, index: int) -> Strip:
    top = TOP + STEP * index
    y = top + STEP / 2
    both: list[tuple[str, Cell | None]] = [("oblivious", line.oblivious)]
    if not line.undefended:
        both.append(("adaptive", line.adaptive))
    if line.transfer is not None:
        both.insert(1, ("transfer", line.transfer))
    offset = -TRACK * (len(both) - 1) / 2
    marks: list[Mark] = []
    missing = None
    for kind, cell in both:
        if cell is not None and cell.asr is not None:
            marks.append(_mark(kind, cell, y + offset))
        elif kind == "adaptive":
            missing = y + offset
        offset += TRACK
    if line.control is not None and line.control.asr is not None:
        marks.insert(0, _mark("control", line.control, y - TRACK * (len(both) - 1) / 2))
    label = line.defense if line.defense != "none" else "no defence"
    short = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
    return Strip(short, label, y, top, index % 2 == 1, tuple(marks), missing)


def _mark(kind: str, cell: Cell, y: float) -> Mark:
    rate = cell.asr or (0.0, 0.0, 0.0)
    x, low, high = (round(_x(value), 1) for value in rate)
    hint = f"{words.method(cell)}, {kind}: {words.full(rate)}, n {cell.n}"
    return Mark(kind, x, low, high, round(y, 1), words.percent(rate[0]), hint)


def _spoken(line: Line) -> str:
    return (
        f"{line.defense}: oblivious {words.asr(line.oblivious)}, "
        f"adaptive {words.asr(line.adaptive)}."
    )


def _x(share: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0)
