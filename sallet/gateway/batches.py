"""Micro-batches: what the requests in flight want of one worker goes to it in one call.

A batch leaves when it is full, when its first item has waited long enough, or when every request
that is being guarded already waits: then nobody is left to wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sallet.core.offline import worker_name
from sallet.core.pool import call, chunks, pixels_of
from sallet.core.query import Failure
from sallet.gateway.refusals import Refused

Worker: TypeAlias = Callable[[list[Any]], Sequence[Any]]
Watch: TypeAlias = Callable[[str, int, float], None]


def unwatched(worker: str, items: int, seconds: float) -> None:
    """Nobody counts."""


@dataclass(eq=False)
class _Wanted:
    """One request's items, and where its results go."""

    items: tuple[Any, ...]
    coming: asyncio.Future[list[Any]]
    pixels: int


@dataclass(eq=False)
class _Line:
    """What waits for one worker; `timer` ends the wait of the first of it."""

    worker: Worker
    waiting: list[_Wanted] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    running: bool = False


class Batches:
    """Lines of work, one for each worker (equal workers share one), bounded over all of them."""

    def __init__(
        self,
        executor: Executor,
        *,
        wait: float = 0.005,
        most_items: int = 32,
        most_pixels: int = 24_000_000,
        most_waiting: int = 256,
        watch: Watch = unwatched,
    ) -> None:
        self.executor, self.wait, self.watch = executor, wait, watch
        self.most_items, self.most_pixels, self.most_waiting = most_items, most_pixels, most_waiting
        self.active = 0  # requests that are being guarded
        self._lines: list[_Line] = []

    @property
    def depth(self) -> int:
        """Items that wait, over all lines."""
        return sum(len(one.items) for line in self._lines for one in line.waiting)

    async def work(self, worker: Worker, items: Sequence[Any]) -> list[Any]:
        """A result for each item; an item that failed raises here and nowhere else."""
        if not items:
            return []
        if self.depth + len(items) > self.most_waiting:
            raise Refused("busy", retry_after=1)
        loop = asyncio.get_running_loop()
        weight = sum(pixels_of(item) for item in items)
        wanted = _Wanted(tuple(items), loop.create_future(), weight)
        line = self._line(worker)
        line.waiting.append(wanted)
        if line.timer is None and not line.running:
            line.timer = loop.call_later(self.wait, self._start, line)
        self._look(line)
        try:
            results = await wanted.coming
        finally:
            if wanted in line.waiting:  # the client left, or its deadline passed
                line.waiting.remove(wanted)
                self._forget(line)
        for result in results:
            if isinstance(result, Failure):
                raise result.error
        return results

    def freed(self) -> None:
        """A request needs no more work: those that waited for it may go."""
        for line in list(self._lines):
            self._look(line)

    def _line(self, worker: Worker) -> _Line:
        line = next((line for line in self._lines if line.worker == worker), None)
        if line is None:
            line = _Line(worker)
            self._lines.append(line)
        return line

    def _look(self, line: _Line) -> None:
        if line.running or not line.waiting:
            return
        full = (
            sum(len(one.items) for one in line.waiting) >= self.most_items
            or sum(one.pixels for one in line.waiting) >= self.most_pixels
        )
        everybody = sum(len(one.waiting) for one in self._lines) >= self.active
        if full or everybody:
            self._start(line)

    def _start(self, line: _Line) -> None:
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        if line.running or not line.waiting:
            return self._forget(line)
        line.running = True
        batch = self._taken(line)
        task = asyncio.get_running_loop().create_task(self._run(line, batch))
        task.add_done_callback(_silent)
        return None

    def _taken(self, line: _Line) -> list[_Wanted]:
        """The first requests in line that fit into one call together; at least one."""
        taken: list[_Wanted] = []
        items = pixels = 0
        while line.waiting:
            one = line.waiting[0]
            over = items + len(one.items) > self.most_items
            if taken and (over or pixels + one.pixels > self.most_pixels):
                break
            taken.append(line.waiting.pop(0))
            items, pixels = items + len(one.items), pixels + one.pixels
        return taken

    async def _run(self, line: _Line, batch: list[_Wanted]) -> None:
        loop = asyncio.get_running_loop()
        items = [item for one in batch for item in one.items]
        began = loop.time()
        try:
            results = await loop.run_in_executor(self.executor, self._call, line.worker, items)
        except Exception as error:
            results = [Failure(error)] * len(items)
        self.watch(worker_name(line.worker), len(items), loop.time() - began)
        at = 0
        for one in batch:
            share = results[at : at + len(one.items)]
            at += len(one.items)
            if not one.coming.done():
                one.coming.set_result(share)
        line.running = False
        if line.waiting:
            self._start(line)  # they have waited for as long as a whole call
        else:
            self._forget(line)

    def _call(self, worker: Worker, items: list[Any]) -> list[Any]:
        """One call, or several where one request alone is too large for it."""
        return [r for part in chunks(items, self.most_pixels) for r in call(worker, part)]

    def _forget(self, line: _Line) -> None:
        if not line.waiting and not line.running and line in self._lines:
            if line.timer is not None:
                line.timer.cancel()
            self._lines.remove(line)


def _silent(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
