"""Words and pixels in turn: one is attacked while the other stays as it was last made.

Each turn begins anew from what was sent at first: an image attack from the clean picture (so its
ball is never left) under the words of the last turn, an attack on words from the first words (so
it never changes more of them than it says) beside the picture of the last turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from sallet.attacks.several import Tried, put, weigh
from sallet.attacks.target import Target
from sallet.core.goal import Goal
from sallet.core.protocols import Enough, Going, Hostile, Progress
from sallet.core.query import Query
from sallet.core.seeds import derive

Side: TypeAlias = Literal["words", "pixels"]
Making: TypeAlias = Callable[..., list[Hostile]]
"""An attack, called as each of them is."""
Turn: TypeAlias = tuple[Side, Making]


@dataclass(eq=False)
class _Both(Tried):
    """A sample with what its last turns made of its words and of its pictures."""

    last: dict[Side, Query] = field(default_factory=dict[Side, Query])

    def begin(self, side: Side) -> Query:
        """What the next turn starts from: one side as it was, the other as it was last made."""
        clean = self.case.query
        if side == "pixels":
            return self.last.get("words", clean).with_images(clean.images)
        return clean.with_images(self.last.get("pixels", clean).images)

    def whole(self) -> Hostile:
        """The best of it, with the losses of every turn's steps and the seed that was given."""
        made, seed = self.made(), self.case.query.defense_seed
        query = made.query.with_defense_seed(seed)
        return replace(made, query=query, curve=tuple(self.case.curve))


def in_turn(
    turns: Sequence[Turn],
    target: Target,
    queries: Sequence[Query],
    goals: Sequence[Goal],
    *,
    seed: int,
    progress: Progress,
) -> list[Hostile]:
    """Every sample after each of the turns, until the model falls for it; the best is kept."""
    both = [_Both(target.case(q, g, seed)) for q, g in zip(queries, goals, strict=True)]
    enough = False

    def watched(going: Going) -> None:
        """A turn ends by itself where it is told to; the turns after it are not begun."""
        nonlocal enough
        try:
            progress(going)
        except Enough:
            enough = True
            raise

    with suppress(Enough):
        for number, (side, attack) in enumerate(turns):
            going = [one for one in both if not target.fell(one.case)]
            if enough or not going:
                break
            made = attack(
                target.model,
                [one.begin(side) for one in going],
                [one.case.goal for one in going],
                judge=target.judge,
                seed=derive(seed, "turn", number),
                progress=_told(watched, number, len(turns), len(both), len(both) - len(going)),
            )
            for one, hostile in zip(going, made, strict=True):
                one.last[side] = hostile.query
                one.case.curve += hostile.curve
            put(target, going, made)
    weigh(target, both)
    return [one.whole() for one in both]


def _told(progress: Progress, turn: int, turns: int, samples: int, fallen: int) -> Progress:
    """The progress of one turn as a part of all of them."""

    def tell(going: Going) -> None:
        share = (turn + going.done / max(going.total, 1)) / turns
        progress(Going(round(1000 * share), 1000, fallen + going.fell, samples, going.loss))

    return tell
