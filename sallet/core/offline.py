"""`Offline`: the runtime of evaluation. It pools what all samples in flight want."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from sallet.core.drive import Suspending, Task, Work, Worker, drive, wanted
from sallet.core.pool import call, chunks
from sallet.core.protocols import Defense, Model
from sallet.core.query import Answer, Failure, Query

MAX_PIXELS = 24_000_000
MAX_IN_FLIGHT = 64
T = TypeVar("T")


@dataclass
class Tally:
    """What a run cost: calls and items, for the model and for each worker by name."""

    calls: Counter[str] = field(default_factory=Counter[str])
    items: Counter[str] = field(default_factory=Counter[str])

    def add(self, name: str, items: int) -> None:
        """Counts one call of `items` items."""
        self.calls[name] += 1
        self.items[name] += items


class Offline:
    """Answers many queries through a defence, with as few and as full batches as can be.

    Workers go first; the model is called only when every job in flight waits for it, so that jobs
    which took different ways meet in one batch. Pooled answers equal one-by-one answers.
    """

    def __init__(
        self, model: Model, *, max_in_flight: int = MAX_IN_FLIGHT, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.model, self.max_in_flight, self.max_pixels = model, max_in_flight, max_pixels
        self.tally = Tally()

    def run(self, defense: Defense, queries: Iterable[Query]) -> list[Answer | Failure]:
        """One answer or failure for each query, in order. Queries are drawn as room is made."""
        self.tally = Tally()
        return drive(self._jobs(answer, defense, queries), self)

    def ends(self, defense: Defense, queries: Iterable[Query]) -> list[Query | Answer | Failure]:
        """As `run`, but a query that the defence forwards is given back and not asked."""
        self.tally = Tally()
        return drive(self._jobs(_guarded, defense, queries), self)

    def _jobs(
        self,
        one: Callable[[Defense, Query, Suspending], Coroutine[Any, Any, T]],
        defense: Defense,
        queries: Iterable[Query],
    ) -> Iterator[Coroutine[Any, Any, T]]:
        for query in queries:
            yield one(defense, query, Suspending())

    def decide(self, root: int, margin: Tensor | float) -> bool:
        """The natural branch."""
        return float(margin.detach() if isinstance(margin, Tensor) else margin) > 0

    def serve(self, waiting: list[Task]) -> list[tuple[Task, list[Any] | Failure]]:
        """Serves every worker that is wanted, or else the model."""
        works = [(task, task.wish.worker) for task in waiting if isinstance(task.wish, Work)]
        if not works:
            return self._together(waiting, self.model.answer, "model")
        # By worker, in the order of first asking: two equal workers share a call.
        groups: list[tuple[Worker, list[Task]]] = []
        for task, worker in works:
            tasks = next((tasks for known, tasks in groups if known == worker), None)
            if tasks is None:
                groups.append((worker, [task]))
            else:
                tasks.append(task)
        return [
            served
            for worker, tasks in groups
            for served in self._together(tasks, worker, worker_name(worker))
        ]

    def _together(
        self, tasks: list[Task], worker: Worker, name: str
    ) -> list[tuple[Task, list[Any] | Failure]]:
        items = [item for task in tasks for item in wanted(task)]
        results: list[Any] = []
        for chunk in chunks(items, self.max_pixels):
            self.tally.add(name, len(chunk))
            results += call(worker, chunk)
        return hand_out(tasks, results)


def hand_out(tasks: list[Task], results: list[Any]) -> list[tuple[Task, list[Any] | Failure]]:
    """Each task's own share of the pooled results; a failed item fails its own task only."""
    served: list[tuple[Task, list[Any] | Failure]] = []
    at = 0
    for task in tasks:
        share = results[at : at + len(wanted(task))]
        at += len(share)
        failure = next((r for r in share if isinstance(r, Failure)), None)
        served.append((task, failure or share))
    return served


def worker_name(worker: Worker) -> str:
    """What a worker is called in a tally."""
    return str(getattr(worker, "name", None) or getattr(worker, "__name__", type(worker).__name__))


async def _guarded(defense: Defense, query: Query, via: Suspending) -> Query | Answer:
    return await defense.guard(query, via)


async def answer(defense: Defense, query: Query, via: Suspending) -> Answer:
    """The defence's answer, or the model's to the query that the defence forwards."""
    result = await defense.guard(query, via)
    if isinstance(result, Answer):
        return result
    (reply,) = await via.ask(result)
    return reply
