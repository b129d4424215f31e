"""The engine under every runtime: drives coroutines by hand, with no event loop and no clock.

A job runs until it wants something; what it wants is put aside. When every running job waits (they
are counted, so a slow model cannot confuse it), the engine hands everything that is wanted to a
`Server`, which decides what to serve now. That is all the pooling there is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from torch import Tensor

from sallet.core.errors import ContractError
from sallet.core.protocols import AskRole
from sallet.core.query import Answer, Failure, Query

Job: TypeAlias = Coroutine[Any, Any, Any]
Worker: TypeAlias = Callable[[list[Any]], Sequence[Any]]
T = TypeVar("T")
R = TypeVar("R")


class Wish:
    """Something a job waits for; awaiting it suspends the job until a server has replied."""

    def __await__(self) -> Generator[Wish, Any, Any]:
        return (yield self)


@dataclass(eq=False)
class Ask(Wish):
    """Queries for the guarded model."""

    queries: tuple[Query, ...]
    role: AskRole
    evading: str | None


@dataclass(eq=False)
class Work(Wish):
    """Items for a worker."""

    worker: Worker
    items: tuple[Any, ...]


@dataclass(eq=False)
class Decide(Wish):
    """A discrete branch."""

    margin: Tensor | float


@dataclass(eq=False)
class Side(Wish):
    """Jobs to run side by side."""

    jobs: tuple[Job, ...]


class Suspending:
    """The `Via` of every hand-driven runtime: each method suspends the job with a `Wish`."""

    async def ask(
        self, *queries: Query, role: AskRole = "answer", evading: str | None = None
    ) -> list[Answer]:
        return await Ask(queries, role, evading) if queries else []

    async def batch(self, worker: Callable[[list[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        return await Work(worker, tuple(items)) if items else []

    async def decide(self, margin: Tensor | float) -> bool:
        return await Decide(margin)

    async def all(self, *jobs: Coroutine[Any, Any, R]) -> list[R]:
        return await Side(jobs) if jobs else []


@dataclass(eq=False)
class Task:
    """A job, who waits for it, and which root job it belongs to."""

    job: Job
    root: int
    parent: Task | None = None
    slot: int = 0
    wish: Ask | Work | None = None
    replies: list[Any] = field(default_factory=list[Any])
    missing: int = 0


def wanted(task: Task) -> Sequence[Any]:
    """The items of a waiting task's wish."""
    if isinstance(task.wish, Ask):
        return task.wish.queries
    return task.wish.items if task.wish else ()


class Server(Protocol):
    """What a runtime decides: when to start more jobs, each branch, and what to serve now."""

    max_in_flight: int

    def decide(self, root: int, margin: Tensor | float) -> bool: ...

    def serve(self, waiting: list[Task]) -> list[tuple[Task, list[Any] | Failure]]:
        """Replies for at least one of the waiting tasks (their wishes are `Ask` or `Work`)."""
        ...


def drive(jobs: Iterable[Job], server: Server) -> list[Any]:
    """Runs every job to its end; a job that raised gives a `Failure` in its place."""
    return _Drive(iter(jobs), server).run()


class _Drive:
    def __init__(self, jobs: Iterator[Job], server: Server) -> None:
        self.jobs, self.server = jobs, server
        self.results: list[Any] = []
        self.running = 0
        self.ready: deque[tuple[Task, Any]] = deque()
        self.waiting: dict[int, Task] = {}

    def run(self) -> list[Any]:
        try:
            self._refill()
            while self.running:
                while self.ready:
                    self._step(*self.ready.popleft())
                    self._refill()
                if not self.running:
                    break
                served = self.server.serve(list(self.waiting.values()))
                if not served:
                    raise ContractError("a runtime served none of the jobs that wait")
                for task, reply in served:
                    del self.waiting[id(task)]
                    self.ready.append((task, reply))
        finally:
            for task in [*self.waiting.values(), *(task for task, _ in self.ready)]:
                task.job.close()
        return self.results

    def _refill(self) -> None:
        while self.running < self.server.max_in_flight:
            job = next(self.jobs, None)
            if job is None:
                return
            self.results.append(None)
            self.running += 1
            self.ready.append((Task(job, root=len(self.results) - 1), None))

    def _step(self, task: Task, reply: Any) -> None:
        while True:
            try:
                failed = isinstance(reply, Failure)
                wish = task.job.throw(reply.error) if failed else task.job.send(reply)
            except StopIteration as stop:
                return self._finish(task, stop.value)
            except Exception as error:
                return self._finish(task, Failure(error))
            if isinstance(wish, Decide):
                reply = self.server.decide(task.root, wish.margin)
                continue
            if isinstance(wish, Side):
                task.replies, task.missing = [None] * len(wish.jobs), len(wish.jobs)
                for slot, job in enumerate(wish.jobs):
                    self.ready.append((Task(job, task.root, task, slot), None))
                return None
            if isinstance(wish, (Ask, Work)):
                task.wish = wish
                self.waiting[id(task)] = task
                return None
            reply = Failure(
                ContractError(
                    f"a defence may await only its via; it awaited {type(wish).__name__}: "
                    "move the waiting into a worker and use via.batch"
                )
            )

    def _finish(self, task: Task, value: Any) -> None:
        parent = task.parent
        if parent is None:
            self.results[task.root] = value
            self.running -= 1
            return
        parent.replies[task.slot] = value
        parent.missing -= 1
        if parent.missing == 0:
            failure = next((r for r in parent.replies if isinstance(r, Failure)), None)
            self.ready.append((parent, failure or parent.replies))
