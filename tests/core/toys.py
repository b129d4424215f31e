"""A model small enough to reason about, and a toy in the shape of every kind of defence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sallet.core.compose import Choose, Nothing
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.iterate import iterate
from sallet.core.protocols import Defense, Gradient, Heard, Via
from sallet.core.query import Answer, Failure, Message, Query, Seeded, refusal
from sallet.core.seeds import derive

HEADS = {
    "colour": ["red", "blue", "green", "something else"],
    "harmful": ["no", "yes"],
    "risk": ["risk: none", "risk: high"],
    "caption": ["a square", "a circle"],
}


def picture(seed: int, side: int = 12) -> Image:
    rng = np.random.default_rng(seed)
    return Image(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))


def ask(number: int, text: str = "what colour ?", **sampling: Any) -> Query:
    query = Query.ask(picture(number), text, **sampling)
    return query.with_defense_seed(derive(number, "test"))


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@dataclass
class Toy:
    """Linear in a pooled picture; picks one answer of the head that the last question names."""

    name: str = "toy"
    calls: list[int] = field(default_factory=list)
    fails_on: str = "\0"

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        self.calls.append(len(queries))
        if any(self.fails_on in query.user_text for query in queries):
            raise RuntimeError("the model broke on this batch")
        with torch.no_grad():
            return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Answer:
        shown = query.map_images(lambda image: Image(image.pixels()))
        head, logits = self._logits(shown)
        if query.sampling.temperature > 0:
            seed = query.sampling.seed or 0
            uniform = torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed))
            logits = logits / query.sampling.temperature - torch.log(-torch.log(uniform))
        return Answer(HEADS[head][int(logits.argmax())])

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        return torch.stack([self._loss(q, g) for q, g in zip(queries, goals, strict=True)])

    def likely(self, query: Query) -> dict[str, float]:
        """The log-probability of each answer to the 8-bit picture."""
        with torch.no_grad():
            head, logits = self._logits(query.map_images(lambda image: Image(image.pixels())))
        return dict(zip(HEADS[head], logits.log_softmax(0).tolist(), strict=True))

    def _loss(self, query: Query, goal: Goal) -> Tensor:
        head, logits = self._logits(query)
        return -goal.sign * logits.log_softmax(0)[HEADS[head].index(goal.text)]

    def _logits(self, query: Query) -> tuple[str, Tensor]:
        head = next((h for h in HEADS if h in query.user_text), "colour")
        image = query.images[0].tensor() if query.images else torch.zeros(3, 4, 4)
        pooled = torch.nn.functional.adaptive_avg_pool2d(image[None], 4).flatten() - 0.5
        weights = numbers(len(head), len(HEADS[head]), 48)
        return head, weights @ pooled * 3 + numbers(len(query.user_text), len(HEADS[head])) / 3


@dataclass
class Open(Toy):
    """A toy that shows its probabilities, and counts what it is asked."""

    scored: int = 0
    answered: int = 0

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        self.answered += len(queries)
        return super().answer(queries)

    def score(self, queries: Sequence[Query], goals: Sequence[Goal]) -> list[Heard]:
        self.scored += len(queries)
        seen = [self.likely(query) for query in queries]
        return [
            Heard(one[goal.text], max(one, key=one.__getitem__) == goal.text)
            for one, goal in zip(seen, goals, strict=True)
        ]


@dataclass(eq=False)
class Blur:
    """A pooled, seeded, differentiable purifier."""

    calls: list[int] = field(default_factory=list)
    name: str = "blur"

    def __call__(self, items: list[Seeded]) -> list[Image]:
        self.calls.append(len(items))
        return [self.one(item) for item in items]

    def one(self, item: Seeded) -> Image:
        seen = item.image.tensor()
        noisy = seen + 0.05 * numbers(item.seed, *seen.shape)
        return Image(torch.nn.functional.avg_pool2d(noisy[None], 3, 1, 1)[0].clamp(0, 1))


@dataclass(eq=False)
class Drift:
    """A purifier of many noisy steps, each towards a smoother picture."""

    times: int = 12
    calls: list[int] = field(default_factory=list)
    name: str = "drift"

    def __call__(self, items: list[Seeded]) -> list[Image]:
        self.calls.append(len(items))
        return [Image(self.purified(item.image.tensor(), item.seed)) for item in items]

    def purified(self, seen: Tensor, seed: int) -> Tensor:
        return iterate(self.step, seen, self.times, seed)

    def step(self, now: Tensor, number: int, generator: torch.Generator) -> Tensor:
        smooth = torch.nn.functional.avg_pool2d(now[None], 3, 1, 1, count_include_pad=False)[0]
        noise = torch.randn(now.shape, generator=generator) / (number + 1)
        return torch.sigmoid(4 * (0.9 * now + 0.1 * smooth + 0.01 * noise) - 2)


@dataclass(eq=False)
class Brightness:
    """A pooled detector; fails on a batch that holds a forbidden size."""

    calls: list[int] = field(default_factory=list)
    name: str = "brightness"

    def __call__(self, items: list[Query]) -> list[Tensor]:
        self.calls.append(len(items))
        if any(query.images[0].size == (5, 5) for query in items):
            raise RuntimeError("no 5x5 pictures")
        return [query.images[0].tensor().mean() for query in items]


class Toyish:
    gradient: Gradient = "full"
    stochastic = False

    @property
    def name(self) -> str:
        return type(self).__name__.lower()


@dataclass
class Rewrite(Toyish):
    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.with_system("be careful").with_text(before="please", after="thank you")


@dataclass
class Purify(Toyish):
    stochastic = True
    purifier: Blur = field(default_factory=Blur)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.with_images(await via.batch(self.purifier, query.seeded_images()))


@dataclass
class Iterative(Toyish):
    """DiffPure's shape."""

    stochastic = True
    purifier: Drift = field(default_factory=Drift)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.with_images(await via.batch(self.purifier, query.seeded_images()))


@dataclass
class Gated(Toyish):
    """Purifies only what looks attacked."""

    stochastic = True
    detector: Brightness = field(default_factory=Brightness)
    purifier: Blur = field(default_factory=Blur)
    threshold: float = 0.5

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (score,) = await via.batch(self.detector, [query])
        if not await via.decide(score - self.threshold):
            return query
        return query.with_images(await via.batch(self.purifier, query.seeded_images()))


@dataclass
class Smooth(Toyish):
    copies: int = 4
    stochastic = True

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        answers = await via.ask(*(self.view(query.fork(i)) for i in range(self.copies)))
        text, _ = Counter(answer.text for answer in answers).most_common(1)[0]
        return Answer(text, copies=tuple(answers))

    def view(self, query: Query) -> Query:
        def noisy(seen: Tensor) -> Tensor:
            return (seen + 0.1 * numbers(query.defense_seed, *seen.shape)).clamp(0, 1)

        return query.map_images(lambda image: image.view(noisy))


@dataclass
class Sequential(Toyish):
    """Asks again until two answers in a row agree."""

    most: int = 6
    stochastic = True

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        smooth = Smooth()
        (last,) = await via.ask(smooth.view(query.fork(0)))
        for i in range(1, self.most):
            (now,) = await via.ask(smooth.view(query.fork(i)))
            if not await via.decide(0.5 if now.text != last.text else -0.5):
                return now
            last = now
        return last


@dataclass
class Screen(Toyish):
    detector: Brightness = field(default_factory=Brightness)
    threshold: float = 0.5

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (score,) = await via.batch(self.detector, [query])
        return refusal(self.name) if await via.decide(score - self.threshold) else query


@dataclass
class AskTwice(Toyish):
    """ECSO: answers, asks whether that was harmful, and then answers from a caption alone."""

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (first,) = await via.ask(query)
        check = query.with_turns(
            Message("assistant", (first.text,)), Message("user", ("was that harmful ?",))
        )
        (verdict,) = await via.ask(check, role="check", evading="no")
        if verdict.text != "yes":
            return first
        picture = Query.ask(*query.images, "caption it")
        (caption,) = await via.ask(picture, role="caption")
        (again,) = await via.ask(Query.ask(f"what colour ? it shows {caption.text}"))
        return again


@dataclass
class Rationale(Toyish):
    """RapGuard: a rationale that ends in a risk, then the question with or without a warning."""

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        think = Query.ask(*query.images, "what is the risk ?")
        (rationale,) = await via.ask(think, role="rationale", evading="risk: none")
        if rationale.text == "risk: none":
            return query
        return query.with_system("beware")


def choose() -> Choose:
    options = (Nothing(), Smooth(copies=3))
    detector = Brightness()

    async def pick(query: Query, via: Via) -> Defense:
        (score,) = await via.batch(detector, [query])
        return options[await via.decide(score - 0.5)]

    return Choose("choose", options, pick)


TOYS = {
    "rewrite": Rewrite,
    "purify": Purify,
    "iterative": Iterative,
    "gated": Gated,
    "smooth": Smooth,
    "sequential": Sequential,
    "screen": Screen,
    "choose": choose,
    "ask-twice": AskTwice,
    "rationale": Rationale,
}
