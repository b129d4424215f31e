"""The record of every request, written before its answer is sent; if it cannot be, there is none.

Records that come at the same time are written together. Those of one file are whole lines even
with several processes, and a line that could be written only in part is taken back.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias

from sallet.core.errors import UsageError
from sallet.gateway.refusals import Refused
from sallet.gateway.sections import Auditing

Record: TypeAlias = dict[str, Any]
COLUMNS: Final = (
    "id",
    "event",
    "at",
    "client",
    "model",
    "stack_digest",
    "verdict",
    "code",
    "status",
    "ms",
)
_TABLE: Final = (
    "create table if not exists records (id text, event text, at text, client text, model text, "
    "stack_digest text, verdict text, code text, status integer, ms real, record text)"
)


class Audit:
    """Writes records to a file, a database, both, or (nobody asked for any) nowhere."""

    def __init__(self, auditing: Auditing) -> None:
        self.auditing = auditing
        self.broken = False
        self._file = Lines(Path(auditing.file), auditing.durable) if auditing.file else None
        self._table = Table(Path(auditing.sqlite)) if auditing.sqlite else None
        self._content = Path(auditing.content) if auditing.content else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sallet-audit")
        self._waiting: list[tuple[Record, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        try:
            if self._file is not None:
                self._file.append(b"")
            if self._table is not None:
                self._thread.submit(self._table.append, []).result()
            if self._content is not None:
                self._content.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"the audit cannot be written: {error}; correct audit.*") from None

    async def write(self, record: Record) -> None:
        """Returns when the record is written; refuses when it cannot be."""
        if self._file is None and self._table is None:
            return
        coming = asyncio.get_running_loop().create_future()
        self._waiting.append((record, coming))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())
        await coming

    async def works(self) -> None:
        """Refuses while the last write failed and a line that says so still cannot be written."""
        if self.broken:
            await self.write(
                {"event": "again", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            )

    def keep(self, id: str, body: bytes) -> None:
        """Stores a request's canonical content, where the policy asks for it."""
        if self._content is not None:
            try:
                beside = self._content / f".{id}"
                with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                    file.write(body)
                beside.replace(self._content / f"{id}.json")
            except OSError:
                raise Refused("audit-failed") from None

    def kept(self, id: str) -> bytes:
        """What was stored of a request, or an `OSError`."""
        if self._content is None:
            raise FileNotFoundError(id)
        return (self._content / f"{id}.json").read_bytes()

    @property
    def keeps(self) -> bool:
        """Whether content is stored."""
        return self._content is not None

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            loop = asyncio.get_running_loop()
            records = [record for record, _ in batch]
            try:
                await loop.run_in_executor(self._thread, self._put, records)
                self.broken = False
            except Exception:
                self.broken = True
            for _, coming in batch:
                if not coming.done():
                    if self.broken:
                        coming.set_exception(Refused("audit-failed"))
                    else:
                        coming.set_result(None)

    def _put(self, records: Sequence[Record]) -> None:
        if self._file is not None:
            self._file.append(b"".join(line(record) for record in records))
        if self._table is not None:
            self._table.append(records)

    def close(self) -> None:
        """Ends the writer; what was accepted is written."""
        if self._table is not None:
            self._thread.submit(self._table.close).result()
        self._thread.shutdown()
        if self._file is not None:
            self._file.close()


class Lines:
    """A file that grows by whole lines; one that was moved away is begun anew."""

    def __init__(self, path: Path, durable: bool) -> None:
        self.path, self.durable = path, durable
        self._fd: int | None = None

    def append(self, data: bytes) -> None:
        """All of the data, or none of it and an `OSError`."""
        fd = self._opened()
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            size = os.fstat(fd).st_size
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                if self.durable:
                    os.fsync(fd)
            except OSError:
                if os.path.isfile(self.path):
                    os.ftruncate(fd, size)
                raise
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def _opened(self) -> int:
        if self._fd is not None:
            try:
                there, ours = os.stat(self.path), os.fstat(self._fd)
                if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
                    return self._fd
            except FileNotFoundError:
                pass
            self.close()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return self._fd

    def close(self) -> None:
        """Lets go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Table:
    """The same records in SQLite, for questions; it belongs to the thread that first writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._base: sqlite3.Connection | None = None

    def append(self, records: Sequence[Record]) -> None:
        """All of the records, or none."""
        if self._base is None:
            self._base = sqlite3.connect(self.path, timeout=5)
            self._base.execute("pragma journal_mode=wal")
            self._base.execute(_TABLE)
            self._base.execute("create index if not exists by_id on records (id)")
            self._base.commit()
        places = ",".join("?" * (len(COLUMNS) + 1))
        rows = [(*(one.get(name) for name in COLUMNS), line(one).decode()) for one in records]
        with self._base:
            self._base.executemany(f"insert into records values ({places})", rows)

    def close(self) -> None:
        """Lets go of the database."""
        if self._base is not None:
            self._base.close()


def line(record: Record) -> bytes:
    """A record as its line."""
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
