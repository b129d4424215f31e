"""A `Row` as one line of JSON, and back."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

from sallet.core.errors import StoreError
from sallet.runs.record import CellKey, Row, Said

SAID = ("tries", "votes", "source_tries", "source_votes", "copies")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def to_line(row: Row) -> str:
    """One line, without its end; a number that JSON has no word for is `null`."""
    plain = as_dict(row)
    try:
        return _encode(plain)
    except ValueError:  # a number that is not finite: rare, and looked for only then
        return _encode(_finite(plain))


def as_dict(row: Row) -> dict[str, Any]:
    """The row's fields in their order, to be read and not written to: its parts are the row's own.

    (`dataclasses.asdict` copies every value, which takes longer than all the rest of a line.)
    """
    plain = dict(vars(row))
    plain["key"] = vars(row.key)
    for name in SAID:
        plain[name] = [vars(said) for said in plain[name]]
    return plain


def from_line(line: str) -> Row:
    """The row that `to_line` wrote."""
    data = json.loads(line)
    try:
        key = CellKey(**data.pop("key"))
        for name in SAID:
            data[name] = [Said(**said) for said in data.get(name, ())]
        return Row(key=key, **{name: _frozen(value) for name, value in data.items()})
    except (TypeError, KeyError, AttributeError) as error:
        names = ", ".join(field.name for field in fields(Row))
        raise StoreError(
            f"a row has other fields than this version of sallet writes ({error}); it needs "
            f"{names}: use the version that wrote it"
        ) from None


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value
