"""The descent loop that every gradient attack shares; an attack fills in only its formulas.

What it keeps is not the last image but the best: one that the model, asked about the 8-bit image
that would be uploaded, really fell for; among those, or if there is none, the one of lowest loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from sallet.attacks.threat import Threat, floats
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import Guarded
from sallet.core.image import Image
from sallet.core.protocols import Hostile, Judge, Model, WhiteBox
from sallet.core.query import Query
from sallet.core.seeds import derive


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(eq=False)
class Trial:
    """One sample under attack."""

    query: Query
    goal: Goal
    clean: list[Tensor]
    change: list[Tensor]
    velocity: list[Tensor]
    seed: int
    loss: float = float("inf")
    start: float | None = None
    gradient: float | None = None
    steps: int = 0
    lowest: float = float("inf")
    lowest_change: list[Tensor] = field(default_factory=list[Tensor])
    won: int = -1
    won_loss: float = float("inf")
    won_change: list[Tensor] = field(default_factory=list[Tensor])

    def hostile(self, threat: Threat, change: Sequence[Tensor]) -> Query:
        """The query with the 8-bit images that would be uploaded."""
        pairs = zip(self.clean, change, strict=True)
        return self.query.with_images([threat.file(clean, moved) for clean, moved in pairs])


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Iterated descent of `model.loss` inside a `Threat`.

    `eot`: defence seeds averaged at each step where the defence is random (each step draws new
    ones). `momentum` is MI-FGSM's decay. `step` is the first step in 8-bit units (None: eps/4); it
    falls linearly to a tenth. Every `check_every` steps the model is asked, with `confirm` fresh
    defence seeds where the defence is random, and a sample that falls for all of them is left
    alone from then on.
    """

    name: ClassVar[str] = "descent"
    eps: float = 8.0
    norm: str = "linf"
    steps: int = 100
    step: float | None = None
    momentum: float = 0.75
    random_start: bool = True
    eot: int = 2
    check_every: int = 10
    confirm: int = 3

    def __post_init__(self) -> None:
        for key in ("steps", "eot", "check_every", "confirm"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        if not 0 <= self.momentum < 1:
            raise RecipeError(f"momentum must be in [0, 1); it is {self.momentum}")
        _ = self.threat

    @property
    def threat(self) -> Threat:
        """The ball that the images stay in."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

    def size(self, at: int) -> float:
        """The step at iteration `at`, in [0,1] pixel units."""
        first = (self.eps / 4 if self.step is None else self.step) / 255
        return first * (1 - 0.9 * at / self.steps)

    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Callable[[int, int], None] = silent,
    ) -> list[Hostile]:
        """One hostile query for each query, in order."""
        if not isinstance(model, WhiteBox):
            raise NoGradient(
                f"{self.name} needs a gradient, and {model.name!r} gives none; use a query attack "
                "or transfer from a local model"
            )
        trials = [self._begin(q, g, seed) for q, g in zip(queries, goals, strict=True)]
        random = isinstance(model, Guarded) and model.defense.stochastic
        for at in range(self.steps):
            running = [t for t in trials if t.won < self._asks(random)]
            if not running:
                break
            self._descend(model, running, at, self.eot if random else 1)
            if (at + 1) % self.check_every == 0 or at + 1 == self.steps:
                self._check(model, running, [t.change for t in running], judge, at, random)
            progress(at + 1, self.steps)
        losing = [t for t in trials if t.won < self._asks(random)]
        self._check(model, losing, [t.lowest_change for t in losing], judge, -1, random)
        progress(self.steps, self.steps)
        return [
            Hostile(t.hostile(self.threat, t.won_change), t.start, t.won_loss, t.steps, t.gradient)
            for t in trials
        ]

    def _asks(self, random: bool) -> int:
        return self.confirm if random else 1

    def _begin(self, query: Query, goal: Goal, seed: int) -> Trial:
        own = derive(seed, "attack", query.digest, goal.text)
        generator = torch.Generator().manual_seed(own)
        clean = [floats(image) for image in query.images]
        if not clean:
            raise RecipeError(f"{self.name} changes images, and this query has none")
        change = [
            self.threat.start(c, generator) if self.random_start else torch.zeros_like(c)
            for c in clean
        ]
        return Trial(query, goal, clean, change, [torch.zeros_like(c) for c in clean], own)

    def _descend(self, model: WhiteBox, trials: list[Trial], at: int, eot: int) -> None:
        for trial in trials:
            trial.change = [change.detach().requires_grad_() for change in trial.change]
        total = torch.zeros(len(trials))
        for sample in range(eot):
            shown = [
                t.query.with_images(
                    [Image(c + d) for c, d in zip(t.clean, t.change, strict=True)]
                ).with_defense_seed(derive(t.seed, "eot", at, sample))
                for t in trials
            ]
            loss = model.loss(shown, [t.goal for t in trials])
            (loss.sum() / eot).backward()
            total += loss.detach().float().cpu() / eot
        with torch.no_grad():
            for trial, loss in zip(trials, total.tolist(), strict=True):
                self._move(trial, loss, at)

    def _move(self, trial: Trial, loss: float, at: int) -> None:
        gradients = [
            torch.zeros_like(d) if d.grad is None else torch.nan_to_num(d.grad)
            for d in trial.change
        ]
        if trial.start is None:
            trial.start = loss
            trial.gradient = max(float(g.abs().max()) for g in gradients)
        trial.loss, trial.steps = loss, at + 1
        here = [change.detach() for change in trial.change]
        if not loss > trial.lowest:  # a loss that is not a number is kept until a better one
            trial.lowest, trial.lowest_change = loss, here
        moved: list[Tensor] = []
        for i, (change, clean) in enumerate(zip(here, trial.clean, strict=True)):
            unit = gradients[i] / gradients[i].abs().mean().clamp_min(1e-20)
            trial.velocity[i] = self.momentum * trial.velocity[i] + unit
            step = self.threat.direction(trial.velocity[i]) * self.size(at)
            moved.append(self.threat.project(change + step, clean))
        trial.change = moved

    def _check(
        self,
        model: Model,
        trials: list[Trial],
        changes: list[list[Tensor]],
        judge: Judge,
        at: int,
        random: bool,
    ) -> None:
        """Asks the model about the 8-bit images, and keeps the best for each sample."""
        asks = self._asks(random)
        hostile = [t.hostile(self.threat, c) for t, c in zip(trials, changes, strict=True)]
        asked = [
            query.with_defense_seed(derive(t.seed, "check", at, k))
            for t, query in zip(trials, hostile, strict=True)
            for k in range(asks)
        ]
        answers = model.answer(asked)
        for i, trial in enumerate(trials):
            wins = sum(
                judge.judge(asked[n], answers[n], trial.goal).outcome is Outcome.SUCCESS
                for n in range(i * asks, (i + 1) * asks)
            )
            loss = trial.lowest if at < 0 else trial.loss
            if (wins, -loss) > (trial.won, -trial.won_loss):
                trial.won, trial.won_loss, trial.won_change = wins, loss, changes[i]
