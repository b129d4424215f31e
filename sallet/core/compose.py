"""`Stack`, `Pinned`, `Choose`: defences made of defences; no runtime can tell them from others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from sallet.core.errors import UsageError
from sallet.core.protocols import AskRole, Defense, Gradient, Via
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Nothing:
    """No defence: the same path with nothing in it."""

    name: ClassVar[str] = "none"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query


class Stack:
    """Defences from the outermost in: what the first asks goes through the others.

    `Stack(a, b, c)` is a defence like any other; its name is `a+b+c`.
    """

    def __init__(self, *layers: Defense) -> None:
        if not layers:
            raise UsageError("a stack needs at least one defence; use `none` for no defence")
        self.layers = layers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stack) and self.layers == other.layers

    def __hash__(self) -> int:
        return hash(("stack", self.layers))

    @property
    def name(self) -> str:
        return "+".join(layer.name for layer in self.layers)

    @property
    def gradient(self) -> Gradient:
        """The weakest of its layers'."""
        order: tuple[Gradient, ...] = ("none", "straight-through", "full")
        return next(g for g in order if g in {layer.gradient for layer in self.layers})

    @property
    def stochastic(self) -> bool:
        return any(layer.stochastic for layer in self.layers)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return await _through(self.layers, query, via)


def contents(defense: Defense) -> list[Any]:
    """What each layer says of its own content (a prompt's words, weights), stacks within stacks."""
    layers: Sequence[Any] = getattr(defense, "layers", (defense,))
    return [
        contents(one) if hasattr(one, "layers") else getattr(one, "digest", None) for one in layers
    ]


@dataclass(frozen=True)
class Pinned:
    """A defence whose one seed everybody knows: it answers to no other, and so is not random."""

    defense: Defense
    seed: int

    @property
    def stochastic(self) -> bool:
        return False

    @property
    def name(self) -> str:
        return self.defense.name

    @property
    def gradient(self) -> Gradient:
        return self.defense.gradient

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return await self.defense.guard(query.with_defense_seed(self.seed), via)


class Choose:
    """Picks one of several defences for each query; `pick` may await `via` like any defence."""

    def __init__(
        self,
        name: str,
        options: Sequence[Defense],
        pick: Callable[[Query, Via], Coroutine[Any, Any, Defense]],
    ) -> None:
        self.name, self.options, self.pick = name, tuple(options), pick

    @property
    def gradient(self) -> Gradient:
        """The weakest of its options'."""
        return Stack(*self.options).gradient

    @property
    def stochastic(self) -> bool:
        return any(option.stochastic for option in self.options)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return await (await self.pick(query, via)).guard(query, via)


async def _through(layers: Sequence[Defense], query: Query, via: Via) -> Query | Answer:
    """Each layer below another draws from a seed of its own: twice `noise` is two draws."""
    head, rest = layers[0], layers[1:]
    if not rest:
        return await head.guard(query, via)
    result = await head.guard(query, Under(rest, via))
    if isinstance(result, Answer):
        return result
    return await _through(rest, lowered(result), via)


def lowered(query: Query) -> Query:
    """A question as the layers below get it: with a seed of their own."""
    return query.with_defense_seed(derive(query.defense_seed, "layer"))


class Under:
    """The `Via` of an upper layer: its questions go through the layers below."""

    def __init__(self, layers: Sequence[Defense], via: Via) -> None:
        self.layers, self.via = layers, via

    async def ask(
        self, *queries: Query, role: AskRole = "answer", evading: str | None = None
    ) -> list[Answer]:
        via = self.via if role == "answer" else _As(role, evading, self.via)
        return await self.via.all(*(self._one(query, via) for query in queries))

    async def _one(self, query: Query, via: Via) -> Answer:
        result = await _through(self.layers, lowered(query), via)
        if isinstance(result, Answer):
            return result
        (answer,) = await via.ask(result)
        return answer

    async def batch(self, worker: Callable[[list[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        return await self.via.batch(worker, items)

    async def decide(self, margin: Tensor | float) -> bool:
        return await self.via.decide(margin)

    async def all(self, *jobs: Coroutine[Any, Any, R]) -> list[R]:
        return await self.via.all(*jobs)


class _As:
    """The `Via` of layers under a question that is not the answer: their asks keep its role."""

    def __init__(self, role: AskRole, evading: str | None, via: Via) -> None:
        self.role: AskRole = role
        self.evading, self.via = evading, via

    async def ask(
        self, *queries: Query, role: AskRole = "answer", evading: str | None = None
    ) -> list[Answer]:
        if role == "answer":
            role, evading = self.role, self.evading
        return await self.via.ask(*queries, role=role, evading=evading)

    async def batch(self, worker: Callable[[list[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        return await self.via.batch(worker, items)

    async def decide(self, margin: Tensor | float) -> bool:
        return await self.via.decide(margin)

    async def all(self, *jobs: Coroutine[Any, Any, R]) -> list[R]:
        return await self.via.all(*jobs)
