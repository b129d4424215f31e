"""The tables of languages: how a line is read, and that each is one that rules can use."""

from __future__ import annotations

import re

import pytest

from sallet.judges.tables import SECTIONS, Table, openings, pattern, script_of, tables

NEEDED = (
    "courtesies", "joints", "apologises", "refuses", "no_refusal", "denies", "agrees", "explains",
    "steps", "no_explanation", "redirects", "leads", "goes_on", "yes", "no",
)  # fmt: skip


def matches(line: str, text: str, **spelled: str) -> bool:
    macros = {name: pattern(value, {}) for name, value in spelled.items()}
    return re.fullmatch(pattern(line, macros), text) is not None


def test_a_line_is_words_as_people_write_them() -> None:
    assert matches("I can't", "i cant ")
    assert not matches("I can't", "i canty ")
    assert matches("(yes|no) [thank you]", "no ")
    assert matches("(yes|no) [thank you]", "yes thank you ")
    assert not matches("(yes|no) [thank you]", "yes thank ")
    assert matches("help*", "helping ")
    assert matches("<who> will", "we will ", who="(i|we)")
    assert matches("\u4e0d\u80fd", "\u4e0d \u80fd ")


@pytest.mark.parametrize(("gap", "most"), [("..", 3), ("...", 12)])
def test_a_gap_is_no_longer_than_it_says(gap: str, most: int) -> None:
    for count in range(most + 2):
        assert matches(f"to {gap} go", f"to {'x ' * count}go ") == (count <= most)


def test_there_are_the_languages_that_the_docs_name() -> None:
    codes = {"ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh"}
    assert {table.code for table in tables()} == codes


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.code)
def test_a_table_says_what_rules_need(table: Table) -> None:
    assert all(table.patterns[section] for section in NEEDED)
    assert len(table.common) > 40
    assert all(script_of(word) is not None for word in table.common if not word.isdigit())
    for section in SECTIONS:
        for line in table.patterns[section]:
            assert re.fullmatch(line, "") is None, f"{section} has a line that is nothing"


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_matches_nothing_in_a_script_without_tables(section) -> None:
    assert openings(section, "Thai").search("anything at all ") is None
