from __future__ import annotations

import io

from rich.console import Console

from sallet.report import table, words


def text(summary: dict) -> str:
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    console.print(table.render(summary))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_fits_a_hundred_columns_and_says_what_world(summary):
    shown = text(summary)
    assert shown.startswith(words.WORLD)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 100
    assert "…" not in shown  # nothing was cut off


def test_no_defence_stands_without_its_adaptive_figure(summary):
    console_tables = [part for part in table.render(summary).renderables if hasattr(part, "rows")]
    assert len(console_tables) == 6
    for each in console_tables:
        names, _, _, oblivious, adaptive, worst, *_ = (
            list(column.cells) for column in each.columns
        )
        for name, before, after, most in zip(names, oblivious, adaptive, worst, strict=True):
            assert str(after), f"{name} has no adaptive figure"
            assert words.NOT_MEASURED in str(after) or "same" in str(after) or "%" in str(after)
            assert share(most) >= share(before), "the worst case is the largest"


def test_says_not_measured_and_counts_unassessed(summary):
    shown = text(summary)
    assert words.NOT_MEASURED in shown
    assert "1 ?" in shown.replace("\u00a0", " ") or "2 ?" in shown


def test_a_summary_without_cells_is_an_empty_group():
    assert "Measured on no model" in text({"recipe": "r", "cells": []})


def share(cell: object) -> float:
    return float(str(cell).split("\u00a0")[0])
