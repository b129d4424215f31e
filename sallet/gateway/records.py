"""Reading records: JSON lines or SQLite, matched and summed up."""

from __future__ import annotations

import json
import sqlite3
import statistics
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sallet.core.errors import StoreError, UsageError
from sallet.gateway.audit import Record

_SQLITE: Final = b"SQLite format 3\0"


@dataclass(frozen=True)
class Wanted:
    """Which records: those whose fields are `same`, not before `since`, with the part `digest`."""

    same: Mapping[str, str] = field(default_factory=dict[str, str])
    since: str | None = None
    digest: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"a limit is at least 1; it is {self.limit}")

    def has(self, record: Record) -> bool:
        """Whether a record matches."""
        if any(str(record.get(name)) != value for name, value in self.same.items()):
            return False
        if self.since is not None and str(record.get("at", "")) < self.since:
            return False
        if self.digest is None:
            return True
        parts = [*record.get("in", ()), *record.get("out", ())]
        return any(self.digest in (part.get("digest"), part.get("file")) for part in parts)


def read(path: Path, wanted: Wanted | None = None) -> Iterator[Record]:
    """The records that match, oldest first; the end of a stream is a record of its own."""
    wanted = wanted or Wanted()
    matching = (one for one in _all(path) if wanted.has(one))
    return matching if wanted.limit is None else iter(deque(matching, maxlen=wanted.limit))


def summed(records: Iterable[Record]) -> dict[str, Any]:
    """Counts and times over the records of requests; a stream's last word is its end's."""
    last: dict[str, Record] = {}
    for record in records:
        if record.get("event") in ("request", "end"):
            last[record["id"]] = record
    found = list(last.values())
    stages: dict[str, list[float]] = {}
    for record in found:
        for stage in record["stages"]:
            stages.setdefault(stage["stage"], []).append(stage["ms"])
    flags = (flag for r in found for part in r["in"] for flag in part.get("flags", ()))
    times = [record["at"] for record in found]
    return {
        "requests": len(found),
        "first": min(times, default=None),
        "last": max(times, default=None),
        "verdicts": _counted(record["verdict"] for record in found),
        "codes": _counted(record["code"] for record in found),
        "clients": _counted(record["client"] for record in found),
        "models": _counted(record["model"] for record in found),
        "flags": _counted(flags),
        "stages": {name: _times(ms) for name, ms in sorted(stages.items())},
    }


def _all(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                yield from _rows(path)
                return
            file.seek(0)
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # it is being written
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict):
                    raise StoreError(f"{path}, line {number} is no record")
                yield record
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None


def _rows(path: Path) -> Iterator[Record]:
    base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        for (text,) in base.execute("select record from records order by rowid"):
            yield json.loads(text)
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from None
    finally:
        base.close()


def _counted(values: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values if value is not None).most_common())


def _times(ms: list[float]) -> dict[str, float]:
    ordered = sorted(ms)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"n": len(ms), "p50": statistics.median(ordered), "p99": last}
