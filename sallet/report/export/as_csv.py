"""CSV as RFC 4180 has it, in UTF-8: lists and mappings are JSON text, null is nothing.

An answer is hostile text, and a spreadsheet runs a text that begins with `=` as a formula. So a
text that begins with any of `START` gets an apostrophe before it. One that begins with an
apostrophe gets one, too: without the first apostrophe of any text that has one, all are again what
they were.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from sallet.report.export.columns import Kind, flat, json_text
from sallet.report.export.options import Options
from sallet.report.export.source import Source

START = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def render(source: Source, options: Options) -> bytes:
    """The whole file."""
    table = flat(source, options.what)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in table.columns)
    written = [
        _texts(column.kind, [column.of(r) for r in table.records]) for column in table.columns
    ]
    writer.writerows(zip(*written, strict=True))
    return text.getvalue().encode()


def _texts(kind: Kind, values: list[Any]) -> list[Any]:
    """A column's values as the csv module takes them: None is nothing, numbers are their repr."""
    match kind:
        case Kind.TEXT:
            return [None if value is None else harmless(value) for value in values]
        case Kind.FLAG:
            return [None if value is None else "true" if value else "false" for value in values]
        case Kind.WHOLE | Kind.NUMBER:
            return values
        case _:
            return [None if value is None else json_text(value) for value in values]


def harmless(text: str) -> str:
    """The text, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(START) else text
