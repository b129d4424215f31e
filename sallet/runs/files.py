"""Files that are whole or not there, and a folder that one process writes to."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sallet.core.errors import StoreError


def replace(path: Path, data: bytes) -> None:
    """Writes the file beside its place, then moves it there: a reader sees the old or the new."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def append(path: Path, data: bytes) -> None:
    """Adds all of `data` durably, or, when that fails, none of it."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
    except OSError as error:
        if path.is_file():
            os.truncate(path, size)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> StoreError:
    """What to tell a user whose disk is full or whose folder is not theirs."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "make room, or choose another --out" if full else "choose another --out"
    return StoreError(f"cannot write {path}: {error.strerror or error}; {what}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of `folder`; the lock ends with the process, however it ends."""
    path = folder / ".lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise StoreError(
                f"process {file.read().strip() or '?'} is writing to {folder}; wait for it, or "
                "choose another folder with --out"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
