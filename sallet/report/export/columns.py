"""Rows and cells as flat columns, the same for every run of one version: made of their types.

A nested key stands under its own names (`model`, `attack`, ...), a rate as three columns (`asr`,
`asr_low`, `asr_high`), a mapping as JSON text.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sallet.core.statistics import Rate
from sallet.report.export.source import Source
from sallet.runs.codec import as_dict
from sallet.runs.record import Cell, CellKey, Row, Said

_encode = json.JSONEncoder(ensure_ascii=False).encode


class Kind(Enum):
    """What a column holds; every kind may be null."""

    TEXT = "text"
    FLAG = "flag"
    WHOLE = "whole number"
    NUMBER = "number"
    MAPPING = "mapping"  # of names to values, or a list of rates: as JSON text
    TEXTS = "list of texts"
    WHOLES = "list of whole numbers"
    SAID = "list of what was said"


PLAIN: Mapping[Any, Kind] = {
    str: Kind.TEXT,
    bool: Kind.FLAG,
    int: Kind.WHOLE,
    float: Kind.NUMBER,
    tuple[str, ...]: Kind.TEXTS,
    tuple[int, ...]: Kind.WHOLES,
    tuple[Said, ...]: Kind.SAID,
}


@dataclass(frozen=True)
class Column:
    """A name, a kind, and where its value is in a flat record."""

    name: str
    kind: Kind
    field: str
    part: int | None = None  # of a rate: 0 the rate, 1 its low end, 2 its high end

    def of(self, record: Mapping[str, Any]) -> Any:
        """The record's value."""
        value = record[self.field]
        return value if self.part is None or value is None else value[self.part]


@dataclass(frozen=True)
class Flat:
    """Columns, and the records that have their fields."""

    columns: tuple[Column, ...]
    records: tuple[Mapping[str, Any], ...]


def flat(source: Source, what: str) -> Flat:
    """A run's rows, or its cells as `summary.json` has them."""
    if what == "rows":
        return Flat(columns(Row), tuple(_row(row) for row in source.rows))
    digest = Column("cell", Kind.TEXT, "cell")  # as in the rows, to join them by
    records = tuple({"cell": arm.digest, **arm.sums} for arm in source.arms)
    return Flat((digest, *columns(Cell)), records)


def columns(record: type) -> tuple[Column, ...]:
    """The columns of a record's type, in the order of its fields."""
    return tuple(_columns(record))


def rates(record: type) -> tuple[str, ...]:
    """The names of a record's rates."""
    return tuple(column.field for column in columns(record) if column.part == 0)


def _columns(record: type) -> Iterator[Column]:
    for name, hint in get_type_hints(record).items():
        hint = _without_none(hint)
        if hint is CellKey:
            yield from _columns(CellKey)
        elif hint == Rate:
            yield Column(name, Kind.NUMBER, name, 0)
            yield Column(f"{name}_low", Kind.NUMBER, name, 1)
            yield Column(f"{name}_high", Kind.NUMBER, name, 2)
        else:
            yield Column(name, _kind(hint), name)


def _kind(hint: Any) -> Kind:
    if get_origin(hint) is dict or hint == tuple[Rate, ...]:
        return Kind.MAPPING
    return Kind.TEXT if get_origin(hint) is Literal else PLAIN[hint]


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    (one,) = (part for part in get_args(hint) if part is not type(None))
    return one


def _row(row: Row) -> dict[str, Any]:
    plain = as_dict(row)
    return {**plain, **plain.pop("key")}


def json_text(value: Any) -> str:
    """The value as JSON on one line, letters as they are."""
    return _encode(value)
