"""`Live`: the runtime of the gateway. The very defence that was measured, on one real request.

Its workers share calls with those of other requests, its questions go to the model server, every
branch is the natural one, and all of it ends with the request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from torch import Tensor

from sallet.core.compose import Stack
from sallet.core.offline import worker_name
from sallet.core.protocols import AskRole, Defense, Gradient, Via
from sallet.core.query import Answer, Query
from sallet.gateway.batches import Batches
from sallet.gateway.trail import AT

T = TypeVar("T")
R = TypeVar("R")
# A defence's own question is a question, whatever form the client wants its answer in.
_FORMS: Final = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "logprobs",
    "top_logprobs",
)


class Asks(Protocol):
    """The model server, asked one question in one piece."""

    def __call__(self, query: Query) -> Awaitable[Answer]: ...


class Live:
    """The `Via` of one request."""

    def __init__(self, asks: Asks, batches: Batches) -> None:
        self.asks, self.batches = asks, batches

    async def ask(
        self, *queries: Query, role: AskRole = "answer", evading: str | None = None
    ) -> list[Answer]:
        if role != "answer":
            queries = tuple(_plain(query) for query in queries)
        return await together(*(self._one(query) for query in queries))

    async def batch(self, worker: Callable[[list[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        began = time.monotonic()
        results = await self.batches.work(worker, items)
        ms = round((time.monotonic() - began) * 1e3, 3)
        stage = f"worker:{worker_name(worker)}"
        at = round((began - AT.get().began) * 1e3, 3)
        AT.get().stages.append({"stage": stage, "items": len(items), "at": at, "ms": ms})
        return results

    async def decide(self, margin: Tensor | float) -> bool:
        value = float(margin.detach()) if isinstance(margin, Tensor) else float(margin)
        AT.get().scores.append({"margin": round(value, 6), "alarmed": value > 0})
        return value > 0

    async def all(self, *jobs: Coroutine[Any, Any, R]) -> list[R]:
        return await together(*jobs)

    async def _one(self, query: Query) -> Answer:
        return await self.asks(query)


async def together(*jobs: Coroutine[Any, Any, R]) -> list[R]:
    """Side by side; when one fails the others are stopped, and it is the one that is raised."""
    if len(jobs) == 1:
        return [await jobs[0]]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def guarded(defense: Defense, query: Query, live: Live) -> Query | Answer:
    """What the defence makes of the query; while it works, others may wait for it."""
    live.batches.active += 1
    try:
        return await defense.guard(query, live)
    finally:
        live.batches.active -= 1
        live.batches.freed()


@dataclass(frozen=True)
class Timed:
    """A defence that notes how long it took, and is otherwise the defence itself."""

    defense: Defense

    @property
    def name(self) -> str:
        return self.defense.name

    @property
    def gradient(self) -> Gradient:
        return self.defense.gradient

    @property
    def stochastic(self) -> bool:
        return self.defense.stochastic

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        with AT.get().stage(f"defense:{self.name}") as noted:
            result = await self.defense.guard(query, via)
            noted["did"] = "forward" if isinstance(result, Query) else "answer"
            return result


def timed(defense: Defense) -> Defense:
    """The same defence, each layer timed on its own."""
    if isinstance(defense, Stack):
        return Stack(*(timed(layer) for layer in defense.layers))
    return Timed(defense)


def _plain(query: Query) -> Query:
    return replace(query, extra={k: v for k, v in query.extra.items() if k not in _FORMS})
