"""Whole attacks on the same samples, one after the other, and the best that any of them made.

The losses that they climb are of different kinds: of another text, over fewer defence seeds, a
distance between answers. So none is held against another's. What counts is how often the model
fell; of equals, the model's own loss of what would be sent, taken once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, isnan

from sallet.attacks.target import Case, Target
from sallet.core.errors import NoGradient
from sallet.core.protocols import Hostile


@dataclass(eq=False)
class Tried:
    """A sample that several attacks had a go at; its case has the costs of all of them."""

    case: Case
    best: list[Hostile] = field(default_factory=list[Hostile])
    """What the model fell for most often: more than one, until they are weighed."""

    def pay(self, made: Hostile) -> None:
        """Adds what an attack cost."""
        case = self.case
        case.steps += made.steps
        case.looks += made.looks
        case.asks += made.asks
        case.eot = max(case.eot, made.eot)
        if made.gradient is not None:  # blind once is blind: the smallest stands for all
            known = made.gradient if case.gradient is None else case.gradient
            case.gradient = min(known, made.gradient)

    def keep(self, made: Hostile, wins: int) -> None:
        """Keeps it beside its equals, in place of what the model fell for less often."""
        if wins > self.case.won:
            self.case.won, self.best = wins, []
        if wins == self.case.won:
            self.best.append(made)

    def made(self) -> Hostile:
        """The best of it, with the cost of all; its losses are those of the attack that made it."""
        case = self.case
        best = self.best[-1] if self.best else Hostile(case.query)
        return replace(
            best, steps=case.steps, gradient=case.gradient, asks=case.asks, looks=case.looks,
            eot=case.eot,
        )  # fmt: skip


def put(target: Target, tried: Sequence[Tried], made: Sequence[Hostile]) -> None:
    """Asks about what one attack made of each, on seeds that it never saw."""
    pairs = list(zip(tried, made, strict=True))
    for one, hostile in pairs:
        one.pay(hostile)
    wins = target.wins([(one.case, hostile.query) for one, hostile in pairs])
    for (one, hostile), won in zip(pairs, wins, strict=True):
        one.keep(hostile, won)


def weigh(target: Target, tried: Sequence[Tried]) -> None:
    """Leaves each sample one: of equals that of lowest loss, and the last where there is none."""
    equals = [one for one in tried if len(one.best) > 1]
    rows = [(one.case, hostile.query) for one in equals for hostile in one.best]
    try:
        losses = [inf if isnan(loss) else loss for loss, _ in target.look(rows)]
    except NoGradient:  # weights of a format that nobody differentiates, for instance
        losses = [inf] * len(rows)
    seen = iter(losses)
    for one in equals:
        own = [next(seen) for _ in one.best]
        lowest = min(own)
        one.best = [made for made, loss in zip(one.best, own, strict=True) if loss == lowest][-1:]
