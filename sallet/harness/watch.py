"""Who is told how a run goes; the harness itself prints nothing."""

from __future__ import annotations

from typing import Protocol

from sallet.core.protocols import Going
from sallet.runs.record import CellKey


class Watch(Protocol):
    """Told of every cell and batch begun, every attack step made and every row written."""

    def cell(self, key: CellKey, number: int, total: int) -> None: ...
    def batch(self, rows: int) -> None: ...
    def steps(self, going: Going) -> None: ...
    def rows(self, count: int) -> None: ...


class Silent:
    """Nobody watches."""

    def cell(self, key: CellKey, number: int, total: int) -> None:
        """Nothing."""

    def batch(self, rows: int) -> None:
        """Nothing."""

    def steps(self, going: Going) -> None:
        """Nothing."""

    def rows(self, count: int) -> None:
        """Nothing."""
