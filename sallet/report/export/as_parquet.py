"""Parquet: the columns of the CSV with their types, lists as lists, mappings as JSON text."""

from __future__ import annotations

from typing import Any

import pyarrow
from pyarrow import parquet

from sallet.report.export.columns import Kind, columns, flat, json_text
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.runs.record import Said

TEXT, WHOLE, NUMBER = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
TYPES = {
    Kind.TEXT: TEXT,
    Kind.FLAG: pyarrow.bool_(),
    Kind.WHOLE: WHOLE,
    Kind.NUMBER: NUMBER,
    Kind.MAPPING: TEXT,
    Kind.TEXTS: pyarrow.list_(TEXT),
    Kind.WHOLES: pyarrow.list_(WHOLE),
    Kind.RATES: pyarrow.list_(pyarrow.list_(NUMBER)),
    Kind.SAID: pyarrow.list_(pyarrow.struct([(column.name, TEXT) for column in columns(Said)])),
}


def render(source: Source, options: Options) -> bytes:
    """The whole file; its metadata say what made it."""
    table = flat(source, options.what)
    schema = pyarrow.schema(
        [(column.name, TYPES[column.kind]) for column in table.columns],
        metadata={"sallet": source.made_by},
    )
    arrays = [
        pyarrow.array(
            [_plain(column.kind, column.of(record)) for record in table.records],
            type=TYPES[column.kind],
        )
        for column in table.columns
    ]
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _plain(kind: Kind, value: Any) -> Any:
    return json_text(value) if kind is Kind.MAPPING and value is not None else value
