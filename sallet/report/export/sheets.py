"""The terminal's tables for a page that is printed: one for each threat, every defence in a line.

No defence stands without its adaptive figure, or the words that it was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from sallet.core.statistics import Rate
from sallet.report import words
from sallet.report.export.source import Source
from sallet.report.figures import Group, Line, groups, refusals
from sallet.report.summary import read
from sallet.runs.record import Cell

COLUMNS = (
    "defence",
    "utility",
    "over-refusal",
    "ASR, oblivious",
    "ASR, adaptive",
    "ASR, worst",
    "n",
    "refused by",
    "calls",
    "seconds",
)
INTERVALS = {
    "wilson": "Wilson's score intervals",
    "clustered bootstrap": "bootstrap intervals over clusters of samples that share a noun or a "
    "prompt",
}
LEGEND = (
    "ASR: attack success rate",
    "Oblivious: the attacker does not know the defence; adaptive: knows it; worst: the largest "
    "over all attacks",
    "Utility and over-refusal: nobody attacks; the benchmark's own utility or the lowest, the "
    "highest over-refusal",
)
"""Sentences, without their last full stop, that every table needs."""


@dataclass(frozen=True)
class Figure:
    """A rate with its interval, and what is to be said of it."""

    rate: Rate
    remark: str = ""


Part: TypeAlias = Figure | str


@dataclass(frozen=True)
class Sheet:
    """One table. `notes` are sentences without their last full stop."""

    title: str
    lines: tuple[tuple[Part, ...], ...]
    notes: tuple[str, ...]


def sheets(source: Source) -> tuple[Sheet, ...]:
    """One for each threat, in the order of the terminal's."""
    summary = read(source.summary)
    several = len(summary.models) > 1
    return tuple(_sheet(group, several) for group in groups(summary.cells))


def world(source: Source) -> str:
    """The sentence that says what the figures are of."""
    return words.first_line(read(source.summary).models)


def _sheet(group: Group, several: bool) -> Sheet:
    title = words.title(group.threat)
    model = group.threat.model
    return Sheet(
        title=f"{model}: {title}" if several else title,
        lines=tuple(_line(line) for line in group.lines),
        notes=tuple(_notes(group)),
    )


def _line(line: Line) -> tuple[Part, ...]:
    return (
        line.defense,
        _figure(line.utility),
        _figure(line.over_refusal),
        _asr(line.oblivious),
        _adaptive(line),
        _asr(line.worst, words.method(line.worst) if line.worst else ""),
        _counts(line),
        _refused(line.worst),
        words.number(line.calls),
        words.seconds(line.seconds),
    )


def _figure(rate: Rate | None) -> Part:
    return "–" if rate is None else Figure(rate)


def _asr(cell: Cell | None, remark: str = "") -> Part:
    return words.asr(cell) if cell is None or cell.asr is None else Figure(cell.asr, remark)


def _adaptive(line: Line) -> Part:
    if line.undefended and line.adaptive:
        return "same"
    key = line.adaptive.key if line.adaptive else None
    return _asr(
        line.adaptive, f"at {words.budget(key.norm, key.eps)}" if key and line.elsewhere else ""
    )


def _counts(line: Line) -> str:
    """Samples of the oblivious and of the adaptive cell, and how many of all are unassessed."""
    shown = [line.oblivious] if line.undefended else [line.oblivious, line.adaptive]
    lost = sum(cell.unassessed for cell in shown if cell)
    counts = "/".join("–" if cell is None else str(cell.n) for cell in shown)
    return f"{counts} ({lost} unassessed)" if lost else counts


def _refused(cell: Cell | None) -> str:
    found = refusals([cell] if cell else [])
    return ", ".join(f"{words.who(name)} {n}" for name, n in found.items()) or "–"


def _notes(group: Group) -> Iterator[str]:
    meaning = words.MEANING.get(group.threat.goal)
    if meaning:
        yield f"ASR is {meaning}"
    cells = [cell for line in group.lines for cell in line.measured]
    counts = sorted({cell.n for cell in cells})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    kinds = [INTERVALS.get(kind, kind) for kind in dict.fromkeys(cell.interval for cell in cells)]
    yield f"n = {n} samples a cell; in brackets, 95 % {words.listed(kinds)}"
    control = group.undefended and group.undefended.control
    if control and control.asr:
        yield f"Random noise of the same size, undefended: {words.full(control.asr)}"
