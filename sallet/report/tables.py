"""Tables of words: said once, drawn for the terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Group as Stacked
from rich.table import Table as Drawn
from rich.text import Text


@dataclass(frozen=True)
class Table:
    """Words in rows and columns; the first `left` columns and the last are to the left."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True)
class Page:
    """Tables under their notes."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def joined(pages: Iterable[Page]) -> Page:
    """One page after another."""
    every = list(pages)
    return Page(
        tuple(table for page in every for table in page.tables),
        tuple(note for page in every for note in page.notes),
    )


def terminal(page: Page) -> Stacked:
    """For the console."""
    drawn = [part for table in page.tables for part in (_drawn(table), Text())]
    return Stacked(*drawn, *(Text(f"{note}.", style="dim") for note in page.notes))


def markdown(page: Page) -> str:
    """For a file."""
    parts: list[str] = []
    for table in page.tables:
        rule = [":--" if _to_left(table, i) else "--:" for i in range(len(table.columns))]
        lines = [table.columns, rule, *table.lines]
        body = "\n".join(f"| {' | '.join(_cell(part) for part in line)} |" for line in lines)
        parts.append(f"### {table.title}\n\n{body}")
    parts += [f"{note[0].upper()}{note[1:]}." for note in page.notes]
    return "\n\n".join(parts) + "\n"


def _to_left(table: Table, i: int) -> bool:
    return i < table.left or table.columns[i] == "verdict"


def _drawn(table: Table) -> Drawn:
    drawn = Drawn(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for i, name in enumerate(table.columns):
        wraps = _to_left(table, i)
        drawn.add_column(
            name, justify="left" if wraps else "right", overflow="fold", no_wrap=not wraps
        )
    for line in table.lines:
        strong = line[-1] in ("higher", "lower")
        drawn.add_row(*line, style="bold" if strong else None)
    return drawn


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
