"""The table in the terminal: no defence without its adaptive figure beside the oblivious one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from rich import box
from rich.console import Group as Stacked
from rich.table import Table
from rich.text import Text

from sallet.core.statistics import Rate
from sallet.report import words
from sallet.report.figures import Group, Line, groups, is_clean, refusals
from sallet.report.summary import Summary, read
from sallet.runs.record import Cell

Columns = tuple[tuple[str, int, Literal["left", "right"]], ...]

COLUMNS: Final[Columns] = (
    ("defence", 16, "left"),
    ("utility", 7, "right"),
    ("over-\nrefusal", 7, "right"),
    ("ASR\noblivious", 9, "right"),
    ("ASR\nADAPTIVE", 12, "right"),
    ("ASR\nworst", 9, "right"),
    ("n", 9, "right"),
    ("refused by", 13, "left"),
    ("calls\nseconds", 7, "right"),
)
UNATTACKED: Final[Columns] = (
    ("benchmark", 28, "left"),
    ("defence", 20, "left"),
    ("utility", 7, "right"),
    ("over-\nrefusal", 7, "right"),
    ("n", 9, "right"),
    ("refused by", 13, "left"),
    ("calls\nseconds", 7, "right"),
)


def render(summary: Mapping[str, Any]) -> Stacked:
    """A table for each threat, at most 100 columns wide, under the line that says what world.

    Benchmarks that nobody attacks have a table of their own, so that no cell is without a figure.
    """
    read_summary = read(summary)
    threats = groups(read_summary.cells)
    tables = [_table(group, read_summary) for group in threats]
    tables += _unattacked(read_summary, threats)
    head = Text(words.first_line(read_summary.models), style="bold")
    foot = Text(
        "ASR: attack success rate, [95 %] below. Oblivious: the attacker does not know the "
        "defence; adaptive: knows it. Worst: the largest over all attacks. Utility and "
        "over-refusal: unattacked; the benchmark's own utility or the lowest, the highest "
        "over-refusal. n: samples (? unassessed).",
        style="dim",
    )
    spaced = [part for table in tables for part in (table, Text())]
    return Stacked(head, Text(), *spaced, foot)


def _table(group: Group, summary: Summary) -> Table:
    table = _empty(COLUMNS, group.threat.model, words.title(group.threat), summary)
    for line in group.lines:
        table.add_row(*_row(line))
    table.caption = "\n".join(filter(None, (_control(group), *_transfers(group), *_flags(group))))
    table.caption_justify = "left"
    return table


def _unattacked(summary: Summary, threats: Sequence[Group]) -> list[Table]:
    """For each model, the benign benchmarks that no table of a threat is about."""
    shown = {(group.threat.model, group.threat.benchmark) for group in threats}
    found: dict[str, list[Cell]] = {}
    for cell in summary.cells:
        if is_clean(cell) and (cell.key.model, cell.key.benchmark) not in shown:
            found.setdefault(cell.key.model, []).append(cell)
    tables: list[Table] = []
    for model, cells in found.items():
        table = _empty(UNATTACKED, model, "nobody attacks", summary)
        for cell in cells:
            table.add_row(
                Text(cell.key.benchmark),
                Text(cell.key.defense),
                _rate(cell.utility),
                _rate(cell.over_refusal),
                _two(str(cell.n), f"{cell.unassessed} ?" if cell.unassessed else ""),
                _refused((cell,)),
                _two(words.number(cell.calls_per_answer), words.seconds(cell.seconds_per_answer)),
            )
        tables.append(table)
    return tables


def _empty(columns: Columns, model: str, title: str, summary: Summary) -> Table:
    """A table without rows; its title names the model where there are several."""
    table = Table(
        title=f"{model}: {title}" if len(summary.models) > 1 else title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_edge=False,
        collapse_padding=True,
    )
    for name, width, justify in columns:
        table.add_column(name, justify=justify, max_width=width, overflow="fold")
    return table


def _row(line: Line) -> tuple[Text, ...]:
    same = line.undefended
    return (
        Text(line.defense, style="dim" if same else "bold"),
        _rate(line.utility),
        _rate(line.over_refusal),
        _asr(line.oblivious),
        _two("same", "") if same and line.adaptive else _adaptive(line),
        _worst(line.worst),
        _counts(line),
        _refused((line.worst,)),
        _two(words.number(line.calls), words.seconds(line.seconds)),
    )


def _adaptive(line: Line) -> Text:
    if line.adaptive is None:
        return Text(words.NOT_MEASURED, style="bold yellow")
    text = _asr(line.adaptive, "bold")
    if line.elsewhere:
        text.append(f"\n{words.budget(line.adaptive.key.norm, line.adaptive.key.eps)}", "dim")
    return text


def _asr(cell: Cell | None, style: str = "") -> Text:
    if cell is None or cell.asr is None:
        return Text(words.asr(cell), style="yellow")
    return _rate(cell.asr, style)


def _rate(rate: Rate | None, style: str = "") -> Text:
    return Text("–") if rate is None else _two(words.percent(rate[0]), words.interval(rate), style)


def _worst(cell: Cell | None) -> Text:
    if cell is None or cell.asr is None:
        return Text(words.asr(cell), style="yellow")
    return _two(words.percent(cell.asr[0]), words.method(cell))


def _counts(line: Line) -> Text:
    """Samples of the oblivious and the adaptive cell, and how many of all are unassessed."""
    shown = [line.oblivious, line.adaptive] if not line.undefended else [line.oblivious]
    text = "/".join("–" if cell is None else str(cell.n) for cell in shown)
    lost = sum(cell.unassessed for cell in shown if cell)
    return _two(text, f"{lost} ?" if lost else "")


def _refused(cells: Iterable[Cell | None]) -> Text:
    found = refusals(cell for cell in cells if cell is not None)
    return Text("\n".join(f"{words.who(name)} {n}" for name, n in found.items()) or "–")


def _control(group: Group) -> str:
    bare = group.undefended
    noise = bare.control if bare else None
    if noise is None or noise.asr is None:
        return ""
    return f"random noise of the same size, undefended: {words.full(noise.asr)}"


def _transfers(group: Group) -> list[str]:
    """What was made on other models, on them and here: two figures, never one."""
    return [
        f"{'' if line.undefended else f'{line.defense}, '}{words.transferred(cell)}"
        for line in group.lines
        for cell in line.transfers
    ]


def _flags(group: Group) -> list[str]:
    """What speaks against a figure of this table."""
    found: dict[str, list[str]] = {}
    for line in group.lines:
        for cell in line.measured:
            for flag in cell.flags:
                where = f"{line.defense} ({words.method(cell)}, {cell.key.access})"
                found.setdefault(flag.partition(":")[0].strip(), []).append(where)
    return [f"! {name}: {', '.join(dict.fromkeys(where))}" for name, where in found.items()]


def _two(first: str, second: str, style: str = "") -> Text:
    text = Text(first, style=style)
    if second:
        text.append(f"\n{second}", style="dim")
    return text
