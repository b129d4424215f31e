from __future__ import annotations

import io

from rich.console import Console

from sallet.report import table, words
from tests.report import made


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
    drawn = [part for part in table.render(summary).renderables if hasattr(part, "rows")]
    threats = [each for each in drawn if len(each.columns) == len(table.COLUMNS)]
    assert len(threats) == 6
    for each in threats:
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


def test_a_benchmark_that_nobody_attacks_has_its_figures(summary):
    shown = text(summary).replace("\u00a0", " ")
    assert shown.count("nobody attacks") == 2
    of_it = [line for line in shown.splitlines() if line.startswith("world/benign")]
    assert len(of_it) == 2 * len(made.DEFENSES)
    assert all(line.count(" %") == 2 for line in of_it)
    assert not any(line.startswith("world/where  ") for line in shown.splitlines())


def test_a_run_without_any_attack_has_its_figures(summary):
    benign = [one for one in summary["cells"] if one["benchmark"] == "world/benign"]
    shown = text({**summary, "cells": benign})
    assert "jpeg" in shown
    assert "oblivious" not in shown.partition("ASR:")[0]


def test_a_summary_without_cells_is_an_empty_group():
    assert "Measured on no model" in text({"recipe": "r", "cells": []})


def share(cell: object) -> float:
    return float(str(cell).split("\u00a0")[0])
