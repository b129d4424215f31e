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


@runtime_checkable
class Choosing(Model, Protocol):
    """An encoder: it answers nothing, but of some texts it chooses the one nearest a picture."""

    def choose(self, queries: Sequence[Query], texts: Sequence[str]) -> list[str]: ...


@dataclass(frozen=True, eq=False)
class Trace:
    """What one look at the gradient shows beside the loss `[B]`.

    `says` is whether the model's likeliest words are the goal's text, one by one, as the attack's
    floats are shown to it: a sign worth asking about, never a success. None: it cannot tell.
    """

    loss: Tensor
    says: tuple[bool | None, ...]


@runtime_checkable
class Traced(WhiteBox, Protocol):
    """A white box that also sees, at no further cost, what it is about to say."""

    def trace(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Trace: ...


def trace(model: WhiteBox, queries: Sequence[Query], goals: Sequence[Goal]) -> Trace:
    """The loss of any white box, with the signs that it can give."""
    if isinstance(model, Traced):
        return model.trace(queries, goals)
    return Trace(model.loss(queries, goals), (None,) * len(queries))


@dataclass(frozen=True, eq=False)
class Heard:
    """What one query gives that asks for probabilities, without any gradient.

    `score` grows as the goal's text becomes likelier: its mean log-probability a token, or what
    an endpoint shows of its beginning. It is to be held only against scores of the same goal from
    the same model; None: nothing was shown. `says` is a `Trace`'s. `answer` is there where the
    very same query was answered, too.
    """

    score: float | None
    says: bool | None = None
    answer: Answer | Failure | None = None


@runtime_checkable
class Scored(Model, Protocol):
    """A model that shows how likely a text is: all that a query attack can do better with."""

    def score(self, queries: Sequence[Query], goals: Sequence[Goal]) -> list[Heard]: ...


def score(model: Model, queries: Sequence[Query], goals: Sequence[Goal]) -> list[Heard]:
    """One query each, of any model: its answers where it shows no probabilities."""
    if isinstance(model, Scored):
        return model.score(queries, goals)
    return [Heard(None, answer=answer) for answer in model.answer(queries)]


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


@runtime_checkable
class Releasing(Defense, Protocol):
    """A defence that reviews answers as they come: what it allows so far may be read already.

    Its `guard` asks, and gives what `core.sentences.reviewed` leaves of the answer.
    """

    async def allows(self, query: Query, so_far: Answer, via: Via, /) -> bool: ...


@dataclass(frozen=True, eq=False)
class Hostile:
    """What an attack made of one query, and how it went. Success is not claimed here.

    `asks` counts the answers that the attacker asked for, `looks` the gradients or losses that it
    took; `curve` is the loss at each step, `eot` the most defence seeds that one step averaged,
    `by` the member of an ensemble that made it.
    """

    query: Query
    start: float | None = None
    end: float | None = None
    steps: int = 0
    gradient: float | None = None
    asks: int = 0
    looks: int = 0
    eot: int = 1
    curve: tuple[float, ...] = ()
    by: str = ""


@dataclass(frozen=True)
class Going:
    """How far an attack is: steps of samples that are done, and samples that fell so far."""

    done: int
    total: int
    fell: int = 0
    samples: int = 0
    loss: float | None = None  # mean of the samples that are being attacked


Progress: TypeAlias = Callable[[Going], None]


def silent(going: Going) -> None:
    """Progress that nobody watches."""


class Enough(Exception):
    """Raised out of `progress` by whoever waits: the attack ends and gives what it has."""


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
        progress: Progress = silent,
    ) -> list[Hostile]:
        """One for each query, in order. `progress` is told as steps are done."""
        ...


@runtime_checkable
class Shared(Attack, Protocol):
    """An attack that makes one thing for many queries: found on some, laid on any.

    What it found is a `Hostile` whose query holds nothing but that thing, as 8-bit images: so it
    is kept as a file like any other. Called, it is laid on the queries that it was fitted on.
    """

    def fit(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> Hostile: ...
    def lay(self, found: Hostile, queries: Sequence[Query], /) -> list[Hostile]: ...


@runtime_checkable
class Wilful(Attack, Protocol):
    """An attack that wants something of its own, whatever a benchmark would have wanted."""

    def wants(self, query: Query, /) -> Goal: ...


@runtime_checkable
class Picky(Attack, Protocol):
    """An attack that cannot do with every question: it says so before anything is asked."""

    def check(self, query: Query, goal: Goal, /) -> None: ...


class Judge(Protocol):
    """Says of an answer whether the attacker's goal was reached."""

    @property
    def name(self) -> str: ...
    def judge(self, query: Query, answer: Answer | Failure, goal: Goal) -> Verdict: ...


@runtime_checkable
class Pooled(Judge, Protocol):
    """A judge that asks a model, and so rather asks about many answers at once."""

    def judge_all(self, items: Sequence[tuple[Query, Answer, Goal]], /) -> list[Verdict]:
        """One verdict for each, in order; what it could not ask about is unassessed."""
        ...
