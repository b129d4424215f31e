"""The search for one carrier: descent on a few pairs of question and wanted answer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from sallet.attacks.forms import Form, Whole
from sallet.attacks.momentum import gathered
from sallet.attacks.threat import Threat, floats
from sallet.core.errors import RecipeError
from sallet.core.goal import Goal, Outcome
from sallet.core.image import Image
from sallet.core.protocols import Enough, Going, Hostile, Judge, Progress, WhiteBox, trace
from sallet.core.query import Query
from sallet.core.seeds import derive


class Settings(Protocol):
    """What a search needs to know of its attack."""

    name: ClassVar[str]

    @property
    def threat(self) -> Threat: ...
    @property
    def steps(self) -> int: ...
    @property
    def momentum(self) -> float: ...
    @property
    def pairs(self) -> int: ...
    @property
    def check_every(self) -> int: ...
    @property
    def asked(self) -> int: ...
    @property
    def stop_early(self) -> bool: ...
    def at(self, done: int, /) -> float: ...


def pictures_of(query: Query, name: str) -> tuple[Image, ...]:
    """The query's images; an error where there is none."""
    if not query.images:
        raise RecipeError(f"{name} changes images, and this query has none: {query.user_text!r}")
    return query.images


def laid(form: Form, carrier: Image, query: Query, name: str, seed: int) -> Query:
    """The query with the carrier in, or on, each of its pictures, as files."""
    generator = torch.Generator().manual_seed(seed)
    return query.with_images(
        [form.file(carrier, floats(image), generator) for image in pictures_of(query, name)]
    )


@dataclass(eq=False)
class Fit:
    """One search for one carrier."""

    attack: Settings
    model: WhiteBox
    pairs: list[tuple[Query, Goal]]
    judge: Judge
    progress: Progress
    form: Form
    seed: int
    curve: list[float] = field(default_factory=list[float])
    first_gradient: float | None = None
    steps: int = 0
    asks: int = 0
    looks: int = 0
    fell: int = -1
    loss: float = float("inf")
    best: Image | None = None

    def run(self) -> Hostile:
        attack = self.attack
        generator = torch.Generator().manual_seed(derive(self.seed, "order"))
        order = _order(len(self.pairs), generator)
        carrier = self.form.start(torch.Generator().manual_seed(derive(self.seed, "start")))
        carrier = self.form.project(carrier)
        velocity = torch.zeros_like(carrier)
        try:
            for done in range(attack.steps):
                some = [self.pairs[next(order)] for _ in range(attack.pairs)]
                gradient = self._look(carrier, some)
                ahead = attack.threat.direction(gathered(velocity, gradient, attack.momentum))
                move = ahead * attack.at(done)
                carrier = self.form.project(carrier + move)
                self.steps = done + 1
                last = self.steps == attack.steps
                if last or self.steps % attack.check_every == 0:
                    self._check(carrier)
                self._tell()
                if attack.stop_early and self.fell == len(self._asked):
                    break
        except Enough:
            pass
        image = self.best or self.form.keep(carrier)
        return Hostile(
            Query.ask(image), *self._ends, self.steps,
            self.first_gradient, self.asks, self.looks, 1, tuple(self.curve),
        )  # fmt: skip

    @property
    def _ends(self) -> tuple[float | None, float | None]:
        return (self.curve[0], self.loss) if self.best else (None, None)

    @property
    def _asked(self) -> list[tuple[Query, Goal]]:
        """Spread evenly over the pairs, the same ones at every check."""
        count = min(self.attack.asked, len(self.pairs))
        return [self.pairs[i * len(self.pairs) // count] for i in range(count)]

    def _look(self, carrier: Tensor, some: Sequence[tuple[Query, Goal]]) -> Tensor:
        """The gradient of the mean loss of some pairs."""
        leaf = carrier.clone().requires_grad_(True)
        whole = Image(leaf) if isinstance(self.form, Whole) else None
        queries: list[Query] = []
        for k, (query, _) in enumerate(some):
            own = derive(self.seed, "eot", self.steps, k)
            generator = torch.Generator().manual_seed(own)
            # A whole image is one object for all, so that a model may encode it once.
            images = [
                whole or Image(self.form.show(leaf, floats(image), generator))
                for image in query.images
            ]
            queries.append(query.with_images(images).with_defense_seed(own))
        loss = trace(self.model, queries, [goal for _, goal in some]).loss.mean()
        loss.backward()
        self.looks += len(some)
        self.curve.append(float(loss.detach()))
        gradient = torch.zeros_like(leaf) if leaf.grad is None else torch.nan_to_num(leaf.grad)
        if self.first_gradient is None:
            self.first_gradient = float(gradient.abs().max())
        return gradient

    def _check(self, carrier: Tensor) -> None:
        """Asks about the 8-bit image, and keeps it if more fell for it."""
        image = self.form.keep(carrier)
        asked = [
            laid(self.form, image, query, self.attack.name, derive(self.seed, "check", k))
            .with_defense_seed(derive(self.seed, "check", self.steps, k))
            for k, (query, _) in enumerate(self._asked)
        ]  # fmt: skip
        fell = sum(
            self.judge.judge(query, answer, goal).outcome is Outcome.SUCCESS
            for query, answer, (_, goal) in zip(
                asked, self.model.answer(asked), self._asked, strict=True
            )
        )
        self.asks += len(asked)
        recent = self.curve[-self.attack.check_every :]
        loss = sum(recent) / len(recent)
        if (fell, -loss) > (self.fell, -self.loss) or self.best is None:
            self.fell, self.loss, self.best = fell, loss, image

    def _tell(self) -> None:
        done, total = self.steps, self.attack.steps
        if self.attack.stop_early and self.fell == len(self._asked):
            done = total
        self.progress(Going(done, total, max(0, self.fell), len(self._asked), self.curve[-1]))


def _order(count: int, generator: torch.Generator) -> Iterator[int]:
    """All pairs in a random order, then in another, without end."""
    while True:
        yield from torch.randperm(count, generator=generator).tolist()
