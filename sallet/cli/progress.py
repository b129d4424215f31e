"""Bars on stderr: one over all rows, with the time left, and one over an attack's steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sallet.core.protocols import Going
from sallet.runs.record import CellKey

ATTACK_SHARE = 0.9  # of a batch's time, where there is an attack


def told(going: Going) -> str:
    """An attack's line: how many fell, and the loss of those that have not."""
    fell = f", {going.fell} of {going.samples} fell" if going.samples else ""
    loss = f", loss {going.loss:.3f}" if going.loss is not None else ""
    return f"  attack{fell}{loss}"


class Bars:
    """A `Watch`; `efforts` says what one row of each cell costs, so that time left is honest."""

    def __init__(self, efforts: Sequence[float], rows: Sequence[int]) -> None:
        console = Console(stderr=True)
        left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True))
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), *left,
            console=console,
        )  # fmt: skip
        self._efforts = efforts
        total = sum(effort * count for effort, count in zip(efforts, rows, strict=True))
        self._all = self._bars.add_task("", total=total)
        self._steps = self._bars.add_task("  attack", visible=False)
        self._done, self._effort, self._batch = 0.0, 0.0, 0

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def cell(self, key: CellKey, number: int, total: int) -> None:
        self._effort = self._efforts[number - 1]
        attack = key.attack if key.access == "none" else f"{key.attack} ({key.access})"
        words = f"{number}/{total} {key.benchmark}: {attack} on {key.defense}"
        self._bars.update(self._all, description=words)

    def batch(self, rows: int) -> None:
        self._batch = rows

    def steps(self, going: Going) -> None:
        share = ATTACK_SHARE * going.done / max(1, going.total)
        self._bars.update(
            self._steps, completed=going.done, total=going.total, description=told(going),
            visible=going.done < going.total,
        )  # fmt: skip
        self._bars.update(self._all, completed=self._done + share * self._batch * self._effort)

    def rows(self, count: int) -> None:
        self._done += count * self._effort
        self._bars.update(self._all, completed=self._done)
        self._bars.update(self._steps, visible=False)


@contextmanager
def bar(name: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr, moved by `(done, total, text)`."""
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    task = bars.add_task(name, total=None)
    with bars:
        yield lambda done, total, text: bars.update(
            task, completed=done, total=total, description=text
        )
