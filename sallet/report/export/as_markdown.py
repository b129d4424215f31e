"""Markdown: the table of cells, one for each threat, its caption below it."""

from __future__ import annotations

import re

from sallet.report import words
from sallet.report.export.options import Options
from sallet.report.export.sheets import COLUMNS, LEGEND, Figure, Part, Sheet, sheets, world
from sallet.report.export.source import Source
from sallet.report.tables import Page, Table, markdown

# What Markdown or HTML would read as more than the letter that it is. A table's own `|` is escaped
# where tables are drawn.
_SPECIAL = re.compile(r"([\\`*_{}#~!$]|\](?=[(\[]))")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render(source: Source, options: Options) -> bytes:
    """The whole page: what world it is of, the tables, and what their words mean."""
    parts = [f"**{escaped(world(source))}**\n", *(_section(sheet) for sheet in sheets(source))]
    legend = escaped(". ".join((*LEGEND, f"Made by {source.made_by}")))
    return "\n".join([*parts, f"{legend}.\n"]).encode()


def _section(sheet: Sheet) -> str:
    lines = tuple(tuple(_part(part) for part in line) for line in sheet.lines)
    table = Table(escaped(sheet.title), COLUMNS, lines)
    return markdown(Page((table,), (escaped(". ".join(sheet.notes)),)))


def _part(part: Part) -> str:
    if isinstance(part, Figure):
        return f"{words.full(part.rate)} {escaped(part.remark)}".strip()
    return escaped(part)


def escaped(text: str) -> str:
    """The text as Markdown that reads as exactly this text, on one line."""
    one_line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _SPECIAL.sub(r"\\\1", "".join(_ENTITIES.get(c, c) for c in one_line))
