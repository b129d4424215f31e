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
from sallet.attacks.several import Tried, put, weigh
from sallet.attacks.target import Target
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.protocols import Enough, Going, Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query
from sallet.core.seeds import derive

DEFAULT = "uniform-noise,pgd:steps=20,apgd,low-frequency,square:queries=200"
IN_L2 = "uniform-noise,pgd:steps=20,apgd,nes:queries=200"
"""The default's counterpart in a ball that some of its members do not know."""


@dataclass(frozen=True, kw_only=True)
class Strongest:
    """The per-sample best of several attacks of one budget; `Hostile.by` says whose it is.

    Broken is what the model, asked about the 8-bit image that would be uploaded, fell for:
    `confirm` times in a row, with fresh defence seeds, where the defence is random or the model not
    deterministic. Of images that it fell for equally often, that of the model's own lowest loss is
    kept, whatever its maker climbed. A member alone, with the same seed, breaks nothing that the
    row does not: it makes there what it makes alone. Where a name stands twice, its second run
    starts elsewhere. Members that need a gradient are passed over where there is none, as long as
    another one can look at the model.
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
        target = Target(model, judge, self.eot, self.confirm)
        own = derive(seed, self.name)
        tried = [Tried(target.case(q, g, own)) for q, g in zip(queries, goals, strict=True)]
        refused: NoGradient | None = None
        looked = False
        runs: Counter[str] = Counter()
        for number, member in enumerate(self.row):
            left = [one for one in tried if not target.fell(one.case)]
            if not left:
                break
            again = runs[member.attack.name]
            runs[member.attack.name] += 1
            watch = _Watch(self.row, number, len(tried), len(left), progress)
            try:
                made = member.attack(
                    model,
                    [one.case.query for one in left],
                    [one.case.goal for one in left],
                    judge=judge,
                    seed=derive(seed, "again", again) if again else seed,
                    progress=watch,
                )
            except NoGradient as error:
                refused = error
                continue
            looked = looked or not member.blind
            put(target, left, [replace(hostile, by=member.label) for hostile in made])
            if watch.enough:
                break
        if refused is not None and not looked and not all(target.fell(one.case) for one in tried):
            raise refused
        weigh(target, tried)
        return [one.made() for one in tried]


def _steps(member: Member) -> int:
    attack = member.attack
    return getattr(attack, "steps", getattr(attack, "queries", 0))


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
