"""Files as their authors left them: tables with a byte-order mark, lists or lines of JSON, Parquet.

Nothing is guessed of a row: a column that is not there, or holds something else, is an error that
names the file, the row and the column.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sallet.core.errors import InputError, UsageError

_MARKS: Final = {",": "commas", "\t": "tabs"}
csv.field_size_limit(16_000_000)  # prompts of some jailbreaks are longer than the usual limit


@dataclass(frozen=True)
class Record:
    """One row of a file, and where it stands."""

    values: Mapping[str, Any]
    path: Path
    number: int

    def text(self, column: str) -> str:
        """The text in this column; numbers as they are written."""
        value = self._value(column)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        raise self.wrong(column, "a text", value)

    def whole(self, column: str) -> int:
        """The whole number in this column."""
        value = self._value(column)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise self.wrong(column, "a whole number", value) from None

    def flag(self, column: str) -> bool:
        """True or false, also where a table spells it."""
        value = self._value(column)
        known = {"true": True, "1": True, "false": False, "0": False}
        if isinstance(value, bool):
            return value
        if str(value).strip().lower() in known:
            return known[str(value).strip().lower()]
        raise self.wrong(column, "true or false", value)

    def list(self, column: str) -> list[Any]:
        """The list in this column."""
        value = self._value(column)
        if isinstance(value, (list, tuple)):
            return list(value)
        raise self.wrong(column, "a list", value)

    def mapping(self, column: str) -> dict[str, Any]:
        """The object in this column."""
        value = self._value(column)
        if isinstance(value, dict):
            return value
        raise self.wrong(column, "an object", value)

    def get(self, column: str, default: str = "") -> str:
        """The text in a column that may be missing or empty."""
        value = self.values.get(column)
        return default if value is None else str(value)

    def wrong(self, column: str, wanted: str, value: object) -> InputError:
        """The error of a value that is of another kind."""
        return InputError(
            f"{self.path}, row {self.number}: the column {column!r} must be {wanted}; "
            f"it is {_short(value)}"
        )

    def _value(self, column: str) -> Any:
        if column not in self.values:
            raise _missing(self.path, f"row {self.number}", [column], self.values)
        return self.values[column]


def table(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[Record]:
    """The rows of a CSV file with these columns, and maybe others."""
    with _opened(path) as lines:
        reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
        try:
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if len(names) == 1 and any(mark in names[0] for mark in {*";,\t"} - {delimiter}):
                raise InputError(
                    f"{path}: the header is one column, {_short(names[0])}; save the table again "
                    f"with {_MARKS[delimiter]} between its columns"
                )
            _check(path, "the header", columns, names)
            rows = [Record(row, path, i) for i, row in enumerate(reader, start=1)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no CSV file in UTF-8: {error}") from None
    for row in rows:
        if None in row.values or any(row.values.get(name) is None for name in columns):
            raise InputError(
                f"{path}, row {row.number} has another number of values than the header; a text "
                "with commas or line ends must stand in double quotes"
            )
    return rows


def lines(path: Path, columns: Sequence[str]) -> list[Record]:
    """The objects of a file that holds one a line, or one list of them, whatever it is called."""
    text = _text(path)
    if text.lstrip().startswith("["):
        listed = _json(path, text)
        found = list(enumerate(listed, start=1))
    else:
        found = [(i, _line(path, i, line)) for i, line in _numbered(text)]
    for number, value in found:
        if not isinstance(value, dict):
            raise InputError(f"{path}, row {number} is no object but {_short(value)}")
        _check(path, f"row {number}", columns, value)
    return [Record(value, path, number) for number, value in found]


def document(path: Path) -> Any:
    """The one JSON value that a file holds."""
    return _json(path, _text(path))


def keyed(path: Path, columns: Sequence[str]) -> dict[str, Record]:
    """A JSON object of objects: `{id: {column: value}}`."""
    data = document(path)
    if not isinstance(data, dict):
        raise InputError(f"{path} must be an object of objects by id; it is {_short(data)}")
    made: dict[str, Record] = {}
    for number, (key, value) in enumerate(data.items(), start=1):
        if not isinstance(value, dict):
            raise InputError(f"{path}, {key!r} is no object but {_short(value)}")
        _check(path, f"{key!r}", columns, value)
        made[str(key)] = Record(value, path, number)
    return made


def parquet(paths: Sequence[Path], columns: Sequence[str]) -> list[tuple[Record, Path, int]]:
    """Rows of Parquet files with their place; columns of image bytes are left in the file."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            f"{paths[0]} is a Parquet file; to read it: pip install 'sallet[export]'"
        ) from None
    made: list[tuple[Record, Path, int]] = []
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            names = file.schema_arrow.names
            _check(path, "the schema", columns, names)
            images = ("image", "images", "decoded_image")
            kept = [name for name in names if name not in images]
            rows = file.read(columns=kept).to_pylist()
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no Parquet file: {error}") from None
        made += [(Record(row, path, i + 1), path, i) for i, row in enumerate(rows)]
    return made


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return ((i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip())


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        whole = line.strip().startswith("{") and not line.rstrip().endswith("}")
        hint = (
            "; this looks like one JSON document over several lines: write one object a line, or "
            "one list of objects"
            if whole
            else ""
        )
        raise InputError(f"{path}, line {number} is no JSON object{hint}: {_short(line)}") from None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None


def _text(path: Path) -> str:
    with _opened(path) as file:
        try:
            return file.read()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not in UTF-8: {error}") from None


def _opened(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _check(path: Path, where: str, wanted: Sequence[str], found: Any) -> None:
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise _missing(path, where, lacking, found)


def _missing(path: Path, where: str, lacking: Sequence[str], found: Any) -> InputError:
    has = ", ".join(repr(name) for name in found if name is not None) or "nothing"
    return InputError(
        f"{path}: {where} lacks the column{'s' if len(lacking) > 1 else ''} "
        f"{', '.join(repr(name) for name in lacking)}; it has {has}"
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
