"""The samples of a descent on their way through the places of its batch.

A sample whose model fell leaves its place to one that waits, so the batch is full until the last
samples, and none is paid for that has already fallen. Whether it is worth asking the model is seen
in passing: the look that gives the gradient also shows which words are now the likeliest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sallet.attacks.diversity import diverse
from sallet.attacks.trial import Point, Trial
from sallet.core.goal import Outcome
from sallet.core.image import Image
from sallet.core.protocols import Enough, Going, Hostile, Judge, Progress, WhiteBox, silent, trace
from sallet.core.query import Query
from sallet.core.seeds import derive

if TYPE_CHECKING:
    from sallet.attacks.descent import Descent

FLAT = 0.2
"""Two halves of the defence seeds whose gradients agree less than this (cosine) are too few."""


@dataclass(eq=False)
class Run:
    """One call of an attack: its samples on their way through the places of the batch."""

    attack: Descent
    model: WhiteBox
    trials: list[Trial]
    judge: Judge
    random: bool
    progress: Progress
    places: int = field(init=False)

    def __post_init__(self) -> None:
        self.places = self.attack.batch

    def run(self) -> list[Hostile]:
        waiting, running, due = deque(self.trials), list[Trial](), list[Trial]()
        try:
            while waiting or running:
                while waiting and len(running) < self.places:
                    running.append(waiting.popleft())
                looked = self._look_at_some(running)
                waiting.extendleft(reversed(running[len(looked) :]))
                running = looked
                due += [t for t in running if self._due(t)]
                running = [t for t in running if t not in due]
                if not (running or waiting) or len(due) >= min(self.places // 4, len(running)):
                    self._ask(due)
                    waiting.extendleft(t for t in reversed(due) if not self._done(t))
                    due = []
                self._tell(running)
        except Enough:
            self.progress = silent  # whoever waited is no longer told
        self._finish()
        with suppress(Enough):
            self._tell([])
        return [trial.made(self.attack.space) for trial in self.trials]

    def _look_at_some(self, trials: list[Trial], *, gradient: bool = True) -> list[Trial]:
        """Looks at the first of them, as many as there are places, and gives those back; the places
        are halved, for good, while memory runs out."""
        while True:
            some = trials[: self.places]
            try:
                self._look(some, gradient=gradient)
            except (torch.OutOfMemoryError, MemoryError) as error:
                rows = min(self.places, sum(trial.eot for trial in some))
                if rows == 1:
                    raise
                _free(error)
                self.places = rows // 2
            else:
                return some

    def _look(self, trials: list[Trial], *, gradient: bool) -> None:
        """Loss, sign and gradient of every trial's point; then each moves on."""
        leaves = [self._leaves(trial) for trial in trials]
        rows = [(i, k) for i, trial in enumerate(trials) for k in range(trial.eot)]
        losses: list[list[float]] = [[] for _ in trials]
        signs: list[list[bool | None]] = [[] for _ in trials]
        for start in range(0, len(rows), self.places):
            part = rows[start : start + self.places]
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
            images = [diverse(image, attack.diversity, generator) for image in images]
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
        hopeful = trial.promising and trial.won < self._asks  # that it falls is known by then
        return last or hopeful or trial.steps % self.attack.check_every == 0

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
        left = going
        while left:
            left = left[len(self._look_at_some(left, gradient=False)) :]
        self._ask([t for t in going if t.lowest_point], lowest=True)

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


def _free(error: Any) -> None:
    error.__traceback__ = None  # its frames hold the batch that did not fit
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
