"""What the first process and its workers tell each other.

Light to import: the first process serves nobody, and needs none of what serving takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sallet.gateway.policy import Policy


@dataclass(frozen=True)
class Job:
    """What a worker needs to know; with `again` it takes the place of one that ended."""

    policy: Policy
    host: str
    port: int
    workers: int
    read: Callable[[], Policy]
    source: Path | None
    again: bool


@dataclass(frozen=True)
class Ready:
    """A worker listens."""


@dataclass(frozen=True)
class Alive:
    """A worker's loop still turns."""


@dataclass(frozen=True)
class Failed:
    """A worker could not begin, and why; `misused` is an error of whoever gave the policy."""

    why: str
    misused: bool


def begin(job: Job, line: Connection) -> None:
    """A worker's life, in the process that is to be one."""
    from sallet.gateway.worker import work

    work(job, line)
