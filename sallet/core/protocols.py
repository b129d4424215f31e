"""The architecture, to be read in one minute.

A defence is written once. Who drives it decides the rest: `Offline` pools it for evaluation,
`Rehearsal` differentiates through it for an attacker, and a gateway serves it live.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from sallet.core.goal import Goal, Verdict
from sallet.core.query import Answer, Failure, Query

if TYPE_CHECKING:
    from torch import Tensor

AskRole: TypeAlias = Literal["answer", "rationale", "check", "caption"]
Gradient: TypeAlias = Literal["full", "straight-through", "none"]
T = TypeVar("T")
R = TypeVar("R")


class Model(Protocol):
    """Answers a batch of queries. A query that fails costs only its own answer."""

    @property
    def name(self) -> str: ...
    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]: ...


@runtime_checkable
class WhiteBox(Model, Protocol):
    """A model that an attacker can differentiate: lower loss is nearer the goal."""

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor: ...


class Via(Protocol):
    """All that a defence may await."""

    async def ask(
        self, *queries: Query, role: AskRole = "answer", evading: str | None = None
    ) -> list[Answer]:
        """The guarded model. `evading` is the reply that would let an attacker through."""
        ...

    async def batch(self, worker: Callable[[list[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        """A purifier, an embedder, a detector: pooled with everybody else's items."""
        ...

    async def decide(self, margin: Tensor | float) -> bool:
        """Every discrete branch. True (margin > 0) is the alarmed side: refuse, purify, go on."""
        ...

    async def all(self, *jobs: Coroutine[Any, Any, R]) -> list[R]:
        """Side by side."""
        ...


class Defense(Protocol):
    """Turns a query into a query to forward (the reply need not be seen), or into an answer."""

    @property
    def name(self) -> str: ...
    @property
    def gradient(self) -> Gradient: ...
    @property
    def stochastic(self) -> bool: ...
    async def guard(self, query: Query, via: Via) -> Query | Answer: ...


@dataclass(frozen=True, eq=False)
class Hostile:
    """What an attack made of one query, and how it went. Success is not claimed here."""

    query: Query
    start: float | None = None
    end: float | None = None
    steps: int = 0
    gradient: float | None = None


class Attack(Protocol):
    """Turns queries into hostile ones. The threat model is which object it is handed."""

    @property
    def name(self) -> str: ...
    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Callable[[int, int], None] = ...,
    ) -> list[Hostile]:
        """`progress(done, total)` is called as steps are done."""
        ...


class Judge(Protocol):
    """Says of an answer whether the attacker's goal was reached."""

    @property
    def name(self) -> str: ...
    def judge(self, query: Query, answer: Answer | Failure, goal: Goal) -> Verdict: ...
