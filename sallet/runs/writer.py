"""Files that are written while something else goes on, each whole and durable or not there.

A picture takes longer to be packed and synced than to be looked at, and nobody needs its file
before the rows that name it are written: `settle` waits until then. A crash loses no more than what
was put since the last one, that is at most one batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sallet.runs import files

THREADS = max(2, min(8, (os.cpu_count() or 1) // 2))
"""One packs while another waits for the disk; half of the machine is left to the model."""


@dataclass
class Writer:
    """Puts files in their places in the background; the first error is raised by `settle`."""

    _threads: ThreadPoolExecutor | None = field(default=None, init=False)
    _pending: dict[Path, Future[None]] = field(
        default_factory=dict[Path, "Future[None]"], init=False
    )

    def put(self, path: Path, make: Callable[[], bytes]) -> None:
        """Writes what `make` gives, unless this path is being written already."""
        if path not in self._pending:
            self._pending[path] = self._pool.submit(_write, path, make)

    def put_after(self, path: Path, data: bytes) -> None:
        """Writes `data` once all that was put before is there; not at all if any of it fails."""
        before = [*self._pending.values()]

        def make() -> bytes:
            for one in before:
                one.result()
            return data

        self.put(path, make)

    def settle(self) -> None:
        """Waits until everything is there; raises what went wrong, if anything did."""
        pending, self._pending = self._pending, {}
        errors = [error for one in pending.values() if (error := one.exception()) is not None]
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Waits for what is on its way; whoever needed it has settled before."""
        with suppress(Exception):
            self.settle()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    @property
    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sallet-writer")
        return self._threads


def _write(path: Path, make: Callable[[], bytes]) -> None:
    files.replace(path, make())
