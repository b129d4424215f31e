"""Answers by the content of what was asked, shared by all runs of one user.

One SQLite file. A key covers everything that decides an answer, so an entry never goes stale; it
can only go unused. The cache is a help, not a record: when its disk is full or its file is broken
it says so once and the run goes on without it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sallet.core.query import Answer, Usage

PATIENCE = 30.0  # seconds to wait for another process that writes
AT_ONCE = 500  # keys of one query; SQLite's own limit is higher


@dataclass(frozen=True)
class Known:
    """An answer, what it cost when it was made: model queries and seconds."""

    answer: Answer
    asks: float
    seconds: float


def default_path() -> Path:
    """`$XDG_CACHE_HOME/sallet/answers.sqlite`."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "sallet" / "answers.sqlite"


@dataclass
class Answers:
    """The cache in a file; with `path` None it knows nothing and keeps nothing."""

    path: Path | None = None
    tell: Callable[[str], None] = lambda _: None
    hits: int = field(default=0, init=False)
    _file: sqlite3.Connection | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=PATIENCE)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT, made REAL)"
            )
            self._file.commit()
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def find(self, keys: Sequence[str]) -> dict[str, Known]:
        """What is known of these keys."""
        found: dict[str, Known] = {}
        try:
            for start in range(0, len(keys) if self._file else 0, AT_ONCE):
                part = keys[start : start + AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, value FROM answers WHERE key IN ({marks})"
                for key, value in self._connected().execute(query, part):
                    with suppress(ValueError, TypeError, KeyError):  # a damaged entry is none
                        found[key] = _read(json.loads(value))
        except sqlite3.Error as error:
            self._give_up(error)
        self.hits += len(found)
        return found

    def keep(self, new: Mapping[str, Known]) -> None:
        """Remembers these; what is known already stays as it is."""
        if self._file is None or not new:
            return
        now = time.time()
        rows = [(key, json.dumps(asdict(known)), now) for key, known in new.items()]
        try:
            with self._file:
                self._file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _connected(self) -> sqlite3.Connection:
        if self._file is None:
            raise sqlite3.ProgrammingError("closed")
        return self._file

    def _give_up(self, error: Exception) -> None:
        with suppress(sqlite3.Error):
            self.close()
        self._file = None
        self.tell(f"answers are not cached: {self.path}: {error}; make room, or delete that file")


def cacheable(answer: Answer) -> bool:
    """Whether all of it survives JSON: an upstream's raw reply and tool calls are not kept."""
    return not answer.tool_calls


def _read(data: dict[str, Any]) -> Known:
    return Known(_answer(data["answer"]), data["asks"], data["seconds"])


def _answer(data: dict[str, Any]) -> Answer:
    return Answer(
        text=data["text"],
        refused_by=data["refused_by"],
        finish=data["finish"],
        usage=Usage(**data["usage"]),
        reasoning=data["reasoning"],
        copies=tuple(_answer(copy) for copy in data["copies"]),
    )
