"""The descent loop that every gradient attack on images shares; an attack fills in its formulas.

A batch has so many places. A sample whose model fell leaves its place to one that waits, so the
batch is full until the last samples, and none is paid for that has already fallen. Whether it is
worth asking the model is seen in passing: the look that gives the gradient also shows which words
are now the likeliest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from sallet.attacks.space import Space
from sallet.attacks.threat import Threat, floats
from sallet.attacks.trial import Point, Trial
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import Guarded
from sallet.core.image import Image
from sallet.core.protocols import (
    Enough,
    Going,
    Hostile,
    Judge,
    Model,
    Progress,
    WhiteBox,
    silent,
    trace,
)
from sallet.core.query import Query
from sallet.core.seeds import derive

FLAT = 0.2
"""Two halves of the defence seeds whose gradients agree less than this (cosine) are too few."""


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Iterated descent of `model.loss` in a `Space`.

    `eot`: defence seeds averaged at each step where the defence is random (each step draws new
    ones); doubled for a sample, up to `eot_most`, while two halves of them disagree. `step` is
    the first step in 8-bit units (None: the attack's own). Every `check_every` steps, and whenever
    its likeliest words have become what is wanted, the model is asked, with `confirm` fresh
    defence seeds where the defence is random. A sample that falls for all of them is left alone,
    unless `stop_early` is off: then it goes on to a lower loss. `batch` samples are attacked side
    by side; half as many where memory runs out.
    """

    name: ClassVar[str] = "descent"
    eps: float = 8.0
    norm: str = "linf"
    steps: int = 100
    step: float | None = None
    random_start: bool = True
    diversity: float = 0.0
    eot: int = 2
    eot_most: int = 8
    check_every: int = 10
    confirm: int = 3
    stop_early: bool = True
    batch: int = 32

    def __post_init__(self) -> None:
        for key in ("steps", "eot", "check_every", "confirm", "batch"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        if not 0 <= self.diversity <= 1:
            raise RecipeError(f"diversity must be in [0, 1]; it is {self.diversity}")
        _ = self.space

    @property
    def space(self) -> Space:
        """Where the search is; here the ball of `eps`."""
        return Threat(self.norm, self.eps)  # pyright: ignore[reportArgumentType]

    def move(self, trial: Trial, gradients: Point) -> Point:
        """The formula: where to go from the point that was looked at."""
        raise NotImplementedError

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
        """One hostile query for each query, in order."""
        if not isinstance(model, WhiteBox):
            raise NoGradient(
                f"{self.name} needs a gradient, and {model.name!r} gives none; use a query attack "
                "(square, nes) or a typographic one, or transfer from a local model"
            )
        random = isinstance(model, Guarded) and model.defense.stochastic
        trials = [self._begin(q, g, seed, random) for q, g in zip(queries, goals, strict=True)]
        return _Run(self, model, trials, judge, random, progress).run()

    def _begin(self, query: Query, goal: Goal, seed: int, random: bool) -> Trial:
        own = derive(seed, "attack", query.digest, goal.text)
        generator = torch.Generator().manual_seed(own)
        clean = [floats(image) for image in query.images]
        if not clean:
            raise RecipeError(f"{self.name} changes images, and this query has none")
        space = self.space
        point = [space.start(c, generator) if self.random_start else space.origin(c) for c in clean]
        still = [torch.zeros_like(part) for part in point]
        return Trial(query, goal, own, clean, point, still, eot=self.eot if random else 1)


@dataclass(eq=False)
class _Run:
    """One call of an attack: its samples on their way through the places of the batch."""

    attack: Descent
    model: WhiteBox
    trials: list[Trial]
    judge: Judge
    random: bool
    progress: Progress

    def run(self) -> list[Hostile]:
        waiting, running = deque(self.trials), list[Trial]()
        places = self.attack.batch
        try:
            while waiting or running:
                while waiting and len(running) < places:
                    running.append(waiting.popleft())
                try:
                    self._look(running)
                except (torch.OutOfMemoryError, MemoryError) as error:
                    if places == 1 or len(running) == 1:
                        raise
                    _free(error)
                    places = len(running) // 2
                    waiting.extendleft(reversed(running[places:]))
                    running = running[:places]
                    continue
                self._ask([t for t in running if self._due(t)])
                running = [t for t in running if not self._done(t)]
                self._tell(running)
        except Enough:
            self.progress = silent  # whoever waited is no longer told
        self._finish()
        return [trial.made(self.attack.space) for trial in self.trials]

    def _look(self, trials: list[Trial], *, gradient: bool = True) -> None:
        """Loss, sign and gradient of every trial's point; then each moves on."""
        leaves = [self._leaves(trial) for trial in trials]
        rows = [(i, k) for i, trial in enumerate(trials) for k in range(trial.eot)]
        losses: list[list[float]] = [[] for _ in trials]
        signs: list[list[bool | None]] = [[] for _ in trials]
        for start in range(0, len(rows), max(self.attack.batch, len(trials))):
            part = rows[start : start + max(self.attack.batch, len(trials))]
            shown = [self._shown(trials[i], leaves[i][k % len(leaves[i])], k) for i, k in part]
            with torch.set_grad_enabled(gradient):
                seen = trace(self.model, shown, [trials[i].goal for i, _ in part])
                if gradient and seen.loss.requires_grad:  # a stage may have cut the graph off
                    seen.loss.sum().backward()
            values = seen.loss.detach().float().cpu().tolist()
            for (i, _), loss, says in zip(part, values, seen.says, strict=True):
                losses[i].append(loss)
                signs[i].append(says)
        for trial, own, loss, says in zip(trials, leaves, losses, signs, strict=True):
            trial.looks += len(loss)
            agreed = None if None in says else all(says) if trial.goal.sign > 0 else any(says)
            trial.look(sum(loss) / len(loss), agreed)
            if gradient:
                self._move(trial, own)

    def _leaves(self, trial: Trial) -> list[Point]:
        """The point once, or twice where the gradients of two halves of the seeds are held
        against each other."""
        halves = 2 if trial.eot > 1 else 1
        return [[p.detach().requires_grad_() for p in trial.point] for _ in range(halves)]

    def _shown(self, trial: Trial, point: Point, sample: int) -> Query:
        seed = derive(trial.seed, "eot", trial.steps, sample)
        generator = torch.Generator().manual_seed(seed)
        space, attack = self.attack.space, self.attack
        images = [
            space.show(clean, part, generator)
            for clean, part in zip(trial.clean, point, strict=True)
        ]
        if attack.diversity:
            images = [_diverse(image, attack.diversity, generator) for image in images]
        return trial.query.with_images([Image(i) for i in images]).with_defense_seed(seed)

    def _move(self, trial: Trial, leaves: list[Point]) -> None:
        with torch.no_grad():
            halves = [[_gradient(part) for part in leaf] for leaf in leaves]
            gradients: Point = halves[0]
            if trial.eot > 1:
                gradients = [torch.stack(g).sum(0) / trial.eot for g in zip(*halves, strict=True)]
            if trial.gradient is None:
                trial.gradient = max(float(g.abs().max()) for g in gradients)
            if len(halves) == 2 and trial.eot < self.attack.eot_most and _apart(*halves):
                trial.eot = min(2 * trial.eot, self.attack.eot_most)
            space, moved = self.attack.space, self.attack.move(trial, gradients)
            trial.steps += 1
            trial.point = [space.project(p, c) for p, c in zip(moved, trial.clean, strict=True)]

    @property
    def _asks(self) -> int:
        return self.attack.confirm if self.random else 1

    def _due(self, trial: Trial) -> bool:
        last = trial.steps == self.attack.steps
        return last or trial.promising or trial.steps % self.attack.check_every == 0

    def _done(self, trial: Trial) -> bool:
        return trial.steps >= self.attack.steps or self._fell(trial)

    def _fell(self, trial: Trial) -> bool:
        return self.attack.stop_early and trial.won >= self._asks

    def _ask(self, trials: list[Trial], lowest: bool = False) -> None:
        """Asks the model about the 8-bit images, and keeps the best for each sample."""
        if not trials:
            return
        points = [t.lowest_point if lowest else t.seen for t in trials]
        space = self.attack.space
        hostile = [t.hostile(space, point) for t, point in zip(trials, points, strict=True)]
        label = "last" if lowest else "check"
        asked = [
            query.with_defense_seed(derive(t.seed, label, t.steps, k))
            for t, query in zip(trials, hostile, strict=True)
            for k in range(self._asks)
        ]
        answers = self.model.answer(asked)
        for i, (trial, point) in enumerate(zip(trials, points, strict=True)):
            own = range(i * self._asks, (i + 1) * self._asks)
            wins = sum(
                self.judge.judge(asked[n], answers[n], trial.goal).outcome is Outcome.SUCCESS
                for n in own
            )
            trial.asks += len(own)
            trial.answered(wins, trial.lowest if lowest else trial.loss, point)

    def _finish(self) -> None:
        """The points of the last moves are looked at, too; then the lowest are asked about."""
        going = [t for t in self.trials if not self._fell(t) and t.steps]
        for start in range(0, len(going), self.attack.batch):
            self._look(going[start : start + self.attack.batch], gradient=False)
        self._ask([t for t in going if t.lowest_point], lowest=True)
        self._tell([])

    def _tell(self, running: Sequence[Trial]) -> None:
        losses = [t.loss for t in running]
        steps = self.attack.steps
        self.progress(
            Going(
                done=sum(steps if self._done(t) else t.steps for t in self.trials),
                total=steps * len(self.trials),
                fell=sum(t.won >= self._asks for t in self.trials),
                samples=len(self.trials),
                loss=sum(losses) / len(losses) if losses else None,
            )
        )


def _gradient(part: Tensor) -> Tensor:
    return torch.zeros_like(part) if part.grad is None else part.grad.nan_to_num_()


def _apart(first: Point, second: Point) -> bool:
    """Whether the gradients of two halves of the defence seeds agree too little."""
    one, other = (torch.cat([g.flatten() for g in half]) for half in (first, second))
    return bool(torch.nn.functional.cosine_similarity(one, other, dim=0) < FLAT)


def _diverse(image: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Input diversity (Xie et al. 2019): now and then smaller, somewhere on a grey ground."""
    draw = torch.rand(4, generator=generator)
    if float(draw[0]) >= share:
        return image
    height, width = image.shape[1:]
    scale = 0.85 + 0.15 * float(draw[1])
    small = torch.nn.functional.interpolate(
        image[None], size=(int(height * scale), int(width * scale)), mode="bilinear", antialias=True
    )[0]
    down, right = height - small.shape[1], width - small.shape[2]
    top, left = int(float(draw[2]) * (down + 1)), int(float(draw[3]) * (right + 1))
    frame = (left, right - left, top, down - top)
    return torch.nn.functional.pad(small, frame, value=0.5)


def _free(error: Any) -> None:
    error.__traceback__ = None  # its frames hold the batch that did not fit
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
