"""The tables of comparisons: what is in a line, and that both drawings say the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from sallet.harness.compare import compare_within
from sallet.harness.minimum import minima
from sallet.harness.provenance import provenance
from sallet.report import compare
from sallet.report.tables import Page, Table, markdown, terminal
from sallet.runs.record import Row
from tests.harness.handmade import KEY, row, rows

TARGETED = replace(KEY, goal="targeted")
JPEG = replace(TARGETED, defense="jpeg")


def lines(page: Page) -> list[tuple[str, ...]]:
    return [line for table in page.tables for line in table.lines]


def test_a_line_has_rates_difference_p_n_and_verdict():
    made = [*rows("s" * 12, TARGETED), *rows("r" * 11 + "u", JPEG)]
    page = compare.differences(compare_within(made, "defense"), "defense", runs=False)
    (line,) = lines(page)
    assert line[:3] == ("jpeg", "100\u00a0%", "0\u00a0%")
    assert line[3].startswith("-100 [-100, -")
    assert line[4:] == ("<.001 / <.001", "11 (−1)", "lower")
    (table,) = page.tables
    assert table.title == "ASR, lamp, toy, targeted, pgd oblivious, L∞ 8/255, against none"


def test_what_is_not_compared_by_defence_is_said_of_each_line():
    made = [*rows("rr", JPEG), *rows("rs", replace(JPEG, access="adaptive"))]
    (line,) = lines(compare.differences(compare_within(made, "access"), "access", runs=False))
    assert line[0] == "jpeg: adaptive"
    assert line[4] == "1 / 1"


def test_the_minimum_stands_before_each_attack():
    made = [*rows("ssrr", TARGETED), *rows("rsss", replace(TARGETED, attack="apgd"))]
    first, *tried = lines(compare.minimum(minima(made)))
    assert first[:2] == ("none", "any attack")
    assert first[2].startswith("100\u00a0%")
    assert [(one[1], one[2].split("\u00a0")[0]) for one in tried] == [
        ("pgd oblivious", "50"),
        ("apgd oblivious", "75"),
    ]


def test_refusals_have_a_column_for_each_who():
    made = [row(i, JPEG, refused_by=who) for i, who in enumerate(("model", "defense:jpeg", None))]
    page = compare.refusals(provenance([*made, *rows("r", TARGETED)]))
    (table,) = page.tables
    assert table.columns == ("cell", "defence", "model", "jpeg", "answered", "unassessed", "n")
    assert [line[1:] for line in table.lines] == [("jpeg", "1", "1", "1", "–", "3")]


def nobody() -> list[Row]:
    return rows("rr", TARGETED)


def test_where_nobody_refused_that_is_said():
    page = compare.refusals(provenance(nobody()))
    assert (page.tables, page.notes) == ((), ("nobody refused anything",))


@pytest.mark.parametrize("width", [60, 100])
def test_the_terminal_keeps_its_width_and_markdown_its_columns(width: int):
    table = Table("odd", ("a", "b", "verdict"), (("x|y", "1", "no difference shown " * 5),))
    page = Page((table,), ("a note",))
    console = Console(width=width, color_system=None)
    with console.capture() as shown:
        console.print(terminal(page))
    assert max(map(len, shown.get().splitlines())) <= width
    text = markdown(page)
    assert "| x\\|y | 1 |" in text
    assert "| :-- | --: | :-- |" in text
    assert text.endswith("A note.\n")
