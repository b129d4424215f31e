"""Answers by the content of what was asked: shared by runs, never in their way."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from sallet.core.query import Answer, Usage
from sallet.runs.answers import AT_ONCE, Answers, Known, cacheable, default_path

WHOLE = Answer(
    "left", refused_by="defense:x", finish="length", usage=Usage(3, 4), reasoning="because",
    copies=(Answer("right"), Answer("left")),
)  # fmt: skip


def test_an_answer_comes_back_whole_in_another_process_of_the_same_file(tmp_path: Path):
    first = Answers(tmp_path / "deep" / "answers.sqlite")
    first.keep({"a": Known(WHOLE, 2.0, 0.5)})
    second = Answers(tmp_path / "deep" / "answers.sqlite")
    assert second.find(["a", "b"]) == {"a": Known(WHOLE, 2.0, 0.5)}
    assert second.hits == 1


def test_the_first_answer_stays(tmp_path: Path):
    cache = Answers(tmp_path / "a.sqlite")
    cache.keep({"a": Known(Answer("first"), 1, 1)})
    cache.keep({"a": Known(Answer("second"), 1, 1)})
    assert cache.find(["a"])["a"].answer.text == "first"


def test_more_keys_than_one_query_takes(tmp_path: Path):
    cache = Answers(tmp_path / "a.sqlite")
    many = {str(i): Known(Answer(str(i)), 1, 1) for i in range(2 * AT_ONCE + 7)}
    cache.keep(many)
    assert cache.find(list(many)) == many


def test_a_damaged_entry_is_asked_again(tmp_path: Path):
    cache = Answers(tmp_path / "a.sqlite")
    cache.keep({name: Known(Answer(name), 1, 1) for name in "abc"})
    with sqlite3.connect(tmp_path / "a.sqlite") as file:
        file.execute("UPDATE answers SET value = '{\"answer\": ' WHERE key = 'a'")
        file.execute("UPDATE answers SET value = '[]' WHERE key = 'b'")
    assert list(cache.find(["a", "b", "c"])) == ["c"]


def test_a_broken_file_is_said_once_and_the_run_goes_on(tmp_path: Path):
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"no database" * 200)
    told: list[str] = []
    cache = Answers(path, tell=told.append)
    cache.keep({"a": Known(WHOLE, 1, 1)})
    assert cache.find(["a"]) == {}
    assert len(told) == 1
    assert "delete that file" in told[0]


def test_without_a_file_nothing_is_known():
    cache = Answers()
    cache.keep({"a": Known(WHOLE, 1, 1)})
    assert cache.find(["a"]) == {}


def test_it_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "sallet" / "answers.sqlite"


def test_tool_calls_are_not_kept():
    assert cacheable(WHOLE)
    assert not cacheable(replace(WHOLE, tool_calls=({"name": "f"},)))
