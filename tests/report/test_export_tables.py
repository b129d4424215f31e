"""CSV, Parquet and the rows themselves, as pandas and DuckDB really read them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow.parquet
import pytest

from sallet.report.export import as_csv, as_parquet
from sallet.report.export.columns import Kind, columns
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.runs.record import Cell, CellKey, Row
from tests.report import exports


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return exports.source(tmp_path_factory.mktemp("odd") / "run")


@pytest.fixture(scope="module")
def files(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for what in ("rows", "cells"):
        (folder / f"{what}.csv").write_bytes(as_csv.render(source, Options(what)))
        (folder / f"{what}.parquet").write_bytes(as_parquet.render(source, Options(what)))
    return folder


def sql(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as base:
        return base.sql(query).fetchall()


def plain(text: str | None) -> str | None:
    """A text of the CSV as it was: what the docs tell a reader to do."""
    return text[1:] if text is not None and text.startswith("'") else text


def test_parquet_says_exactly_what_the_rows_say(source: Source, files: Path):
    read = pyarrow.parquet.read_table(files / "rows.parquet").to_pylist()
    assert len(read) == len(source.rows) == 41
    for record, row in zip(read, source.rows, strict=True):
        expected = asdict(row)
        expected |= expected.pop("key")
        assert json.loads(record.pop("params")) == expected.pop("params")
        lists = {name: list(v) for name, v in expected.items() if isinstance(v, tuple)}
        assert expected | lists == record


def test_parquet_keeps_types_in_pandas_and_duckdb(files: Path):
    frame = pandas.read_parquet(files / "rows.parquet")
    assert frame["harmful"].dtype == bool
    assert frame["steps"].dtype == "int64"
    assert frame["eps"].isna().sum() == 12
    assert list(frame["reference"].iloc[-1]) == ["left", 'a, "left"']
    path = files / "rows.parquet"
    kinds = dict(sql(f"select column_name, column_type from (describe from '{path}')"))
    assert (kinds["right"], kinds["eps"], kinds["attempts"]) == ("BOOLEAN", "DOUBLE", "BIGINT")
    assert kinds["defense_seeds"] == "BIGINT[]"
    assert kinds["split"] == "VARCHAR", "a column of nulls keeps its kind"
    found = sql(f"select max(defense_seeds[1]), count(tries[1].error) from '{path}'")
    assert found == [(2**63 - 1, 5)]


def test_an_empty_answer_is_not_no_answer_in_parquet(files: Path):
    counts = "count(*) filter (answer = ''), count(*) filter (answer is null)"
    assert sql(f"select {counts} from '{files / 'rows.parquet'}'") == [(1, 5)]


@pytest.mark.parametrize("reader", ["pandas", "duckdb", "csv"])
def test_csv_gives_every_answer_back(source: Source, files: Path, reader: str):
    path = files / "rows.csv"
    if reader == "pandas":
        frame = pandas.read_csv(path, keep_default_na=False, dtype={"answer": str})
        answers = list(frame["answer"])
    elif reader == "duckdb":
        answers = [a or "" for (a,) in sql(f"select answer from read_csv('{path}', header=true)")]
    else:
        lines = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
        answers = [line["answer"] for line in lines]
    assert [plain(answer) for answer in answers] == [row.answer or "" for row in source.rows]


def test_csv_has_types_that_readers_find(files: Path):
    frame = pandas.read_csv(files / "rows.csv")
    assert frame["harmful"].dtype == bool
    assert frame["steps"].dtype == "int64"
    assert frame["eps"].dtype == "float64"
    assert set(frame["right"].dropna()) == {True, False}
    assert frame["loss_start"].min() == -1.5, "a number keeps its minus"
    kinds = dict(
        sql(
            f"select column_name, column_type from (describe from read_csv('{files / 'rows.csv'}'))"
        )
    )
    assert (kinds["right"], kinds["harmful"]) == ("BOOLEAN", "BOOLEAN")
    assert (kinds["attempts"], kinds["eps"]) == ("BIGINT", "DOUBLE")
    assert json.loads(frame["defense_seeds"].iloc[12]) == [2**63 - 1, 0]


@pytest.mark.parametrize("what", ["rows", "cells"])
def test_no_field_of_a_csv_is_a_formula(files: Path, what: str):
    lines = csv.DictReader(io.StringIO((files / f"{what}.csv").read_bytes().decode(), newline=""))
    numbers = {c.name for c in columns(Row if what == "rows" else Cell) if c.kind is Kind.NUMBER}
    texts = [v for line in lines for name, v in line.items() if name not in numbers]
    assert len(texts) > 60
    assert not [text for text in texts if text.startswith(as_csv.START[:-1])]
    answers = (files / "rows.csv").read_text(encoding="utf-8")
    assert "'=HYPERLINK" in answers


def test_cells_are_those_of_the_summary_with_flat_rates(source: Source, files: Path):
    frame = pandas.read_parquet(files / "cells.parquet")
    assert len(frame) == len(source.summary["cells"]) == 3
    for record, cell in zip(frame.to_dict("records"), source.summary["cells"], strict=True):
        assert (record["n"], record["unassessed"]) == (cell["n"], cell["unassessed"])
        rate = [record[name] for name in ("asr", "asr_low", "asr_high")]
        assert rate == cell["asr"] if cell["asr"] else all(pandas.isna(v) for v in rate)
        assert json.loads(record["params"]) == cell["params"]
        assert json.loads(record["refused_by"]) == cell["refused_by"]
    joined = sql(
        f"select count(*) from '{files / 'rows.parquet'}' join '{files / 'cells.csv'}' using (cell)"
    )
    assert joined == [(41,)], "every row finds its cell"


def test_columns_are_the_types_of_the_record():
    """A new field is exported by being there, under the names that the docs state."""
    names = [column.name for column in columns(Cell)]
    assert len({*names}) == len(names)
    assert {"asr", "asr_low", "asr_high", "utility_low", "model", "eps"} <= {*names}
    rows = [column.name for column in columns(Row)]
    assert len({*rows}) == len(rows)
    assert {column.name for column in columns(CellKey)} <= {*rows}
    assert not {"key", "asr"} & {*rows}


def test_rows_are_readable_as_they_are(source: Source):
    path = source.folder / "rows.jsonl"
    frame = pandas.read_json(path, lines=True)
    answers = [None if pandas.isna(answer) else answer for answer in frame["answer"]]
    assert answers == [row.answer for row in source.rows]
    assert list(frame["sample"]) == [row.sample for row in source.rows]
    query = "select answer, key.access, tries[1].refused_by, defense_seeds from read_json_auto"
    found = sql(f"{query}('{path}')")
    assert [answer for answer, *_ in found] == [row.answer for row in source.rows]
    assert [access for _, access, *_ in found] == [row.key.access for row in source.rows]
    assert [tuple(seeds) for *_, seeds in found] == [row.defense_seeds for row in source.rows]
