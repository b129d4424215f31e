"""`strongest`: an ensemble that leaves alone what has fallen (after AutoAttack, Croce & Hein 2020).

Members stand in a row, the cheap ones first. Each is given only what no member before it broke, so
the costly ones are spent on what needs them, and what is kept is each sample's own best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from sallet.attacks.members import Member, members
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import Guarded
from sallet.core.protocols import Enough, Going, Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query
from sallet.core.seeds import derive

DEFAULT = "uniform-noise,pgd:steps=20,apgd,low-frequency,square:queries=200"
IN_L2 = "uniform-noise,pgd:steps=20,apgd,nes:queries=200"
"""The default's counterpart in a ball that some of its members do not know."""


@dataclass(frozen=True, kw_only=True)
class Strongest:
    """The per-sample best of several attacks of one budget; `Hostile.by` says whose it is.

    Broken is what the model, asked about the 8-bit image that would be uploaded, fell for: with
    `confirm` fresh defence seeds in a row where the defence is random. A member alone, with the
    same seed, breaks nothing that the row does not: it makes there what it makes alone. Where a
    name stands twice, its second run starts elsewhere. Members that need a gradient are passed
    over where there is none, as long as another one can look at the model.
    """

    name: ClassVar[str] = "strongest"
    eps: float = 8.0
    norm: str = "linf"
    members: str = DEFAULT
    confirm: int = 3

    def __post_init__(self) -> None:
        if self.confirm < 1:
            raise RecipeError(f"confirm must be at least 1; it is {self.confirm}")
        _ = self.row

    @cached_property
    def row(self) -> tuple[Member, ...]:
        """The members, in their order."""
        default = self.members == DEFAULT and self.norm == "l2"
        return members(IN_L2 if default else self.members, eps=self.eps, norm=self.norm)

    @property
    def steps(self) -> int:
        """Of all members together: what a sample that resists everything is given."""
        return sum(_steps(member) for member in self.row)

    @property
    def eot(self) -> int:
        """The most that a member averages; 1 if none averages at all."""
        return max(getattr(member.attack, "eot", 1) for member in self.row)

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
        random = isinstance(model, Guarded) and model.defense.stochastic
        asks = self.confirm if random else 1
        tried = [
            _Tried(query, goal, derive(seed, self.name, query.digest, goal.text))
            for query, goal in zip(queries, goals, strict=True)
        ]
        refused: NoGradient | None = None
        looked = False
        runs: Counter[str] = Counter()
        for number, member in enumerate(self.row):
            left = [one for one in tried if one.wins < asks]
            if not left:
                break
            again = runs[member.attack.name]
            runs[member.attack.name] += 1
            watch = _Watch(self.row, number, len(tried), len(left), progress)
            try:
                made = member.attack(
                    model,
                    [one.query for one in left],
                    [one.goal for one in left],
                    judge=judge,
                    seed=derive(seed, "again", again) if again else seed,
                    progress=watch,
                )
            except NoGradient as error:
                refused = error
                continue
            looked = looked or not member.blind
            _confirm(model, judge, left, made, member.label, asks)
            if watch.enough:
                break
        if refused is not None and not looked and any(one.wins < asks for one in tried):
            raise refused
        return [one.made() for one in tried]


@dataclass(eq=False)
class _Tried:
    """One sample, the best that was made of it so far, and what all of it cost."""

    query: Query
    goal: Goal
    seed: int
    wins: int = -1
    best: Hostile | None = None
    start: float | None = None
    gradient: float | None = None
    steps: int = 0
    asks: int = 0
    looks: int = 0
    eot: int = 1

    def add(self, made: Hostile, label: str, wins: int, asks: int) -> None:
        """Keeps what the model fell for more often; of equals, the one of lower loss."""
        self.steps += made.steps
        self.asks += made.asks + asks
        self.looks += made.looks
        self.eot = max(self.eot, made.eot)
        if self.start is None:
            self.start = made.start
        if made.gradient is not None:  # blind once is blind: the smallest stands for all
            known = made.gradient if self.gradient is None else self.gradient
            self.gradient = min(known, made.gradient)
        if (wins, -_end(made)) > (self.wins, -_end(self.best)):
            self.wins, self.best = wins, replace(made, by=label)

    def made(self) -> Hostile:
        """The best of it, with the cost of all."""
        best = self.best or Hostile(self.query)
        return replace(
            best, start=self.start, gradient=self.gradient, steps=self.steps, asks=self.asks,
            looks=self.looks, eot=self.eot,
        )  # fmt: skip


def _end(made: Hostile | None) -> float:
    return float("inf") if made is None or made.end is None else made.end


def _steps(member: Member) -> int:
    attack = member.attack
    return getattr(attack, "steps", getattr(attack, "queries", 0))


def _confirm(
    model: Model, judge: Judge, left: list[_Tried], made: list[Hostile], label: str, asks: int
) -> None:
    """Asks about what a member made, on seeds that it never saw."""
    asked = [
        hostile.query.with_defense_seed(derive(one.seed, label, k))
        for one, hostile in zip(left, made, strict=True)
        for k in range(asks)
    ]
    answers = model.answer(asked)
    for i, (one, hostile) in enumerate(zip(left, made, strict=True)):
        wins = sum(
            judge.judge(asked[n], answers[n], one.goal).outcome is Outcome.SUCCESS
            for n in range(i * asks, (i + 1) * asks)
        )
        one.add(hostile, label, wins, asks)


@dataclass
class _Watch:
    """Tells of the whole row's progress while one member runs; notes when it was told to end."""

    row: Sequence[Member]
    number: int
    samples: int
    left: int
    progress: Progress
    enough: bool = False

    def __call__(self, going: Going) -> None:
        before = sum(_steps(member) for member in self.row[: self.number])
        now = _steps(self.row[self.number])
        share = going.done / going.total if going.total else 1.0
        gone = self.samples - self.left
        try:
            self.progress(
                Going(
                    done=round(self.samples * before + gone * now + self.left * now * share),
                    total=self.samples * sum(_steps(member) for member in self.row),
                    fell=gone + going.fell,
                    samples=self.samples,
                    loss=going.loss,
                )
            )
        except Enough:
            self.enough = True
            raise
