"""Words and pixels in turn: one is attacked while the other stays as it was last made.

Each turn begins anew from what was sent at first: an image attack from the clean picture (so its
ball is never left) under the words of the last turn, an attack on words from the first words (so
it never changes more of them than it says) beside the picture of the last turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from sallet.attacks.target import Case, Target
from sallet.core.goal import Goal
from sallet.core.protocols import Enough, Going, Hostile, Progress
from sallet.core.query import Query
from sallet.core.seeds import derive

Side: TypeAlias = Literal["words", "pixels"]
Making: TypeAlias = Callable[..., list[Hostile]]
"""An attack, called as each of them is."""
Turn: TypeAlias = tuple[Side, Making]


@dataclass(eq=False)
class _Both:
    """A sample with what its last turns made of its words and of its pictures."""

    case: Case
    words: Query
    pixels: Query

    def begin(self, side: Side) -> Query:
        """What the next turn starts from."""
        clean = self.case.query
        if side == "pixels":
            return self.words.with_images(clean.images)
        return clean.with_images(self.pixels.images)

    def note(self, side: Side, made: Hostile) -> None:
        """Takes over what a turn made, and what it cost."""
        case = self.case
        if side == "words":
            self.words = made.query
        else:
            self.pixels = made.query
        case.start = made.start if case.start is None else case.start
        case.gradient = made.gradient if case.gradient is None else case.gradient
        case.eot = max(case.eot, made.eot)
        case.steps += made.steps
        case.asks += made.asks
        case.looks += made.looks
        case.curve += made.curve


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
    pairs = zip(queries, goals, strict=True)
    both = [_Both(target.case(query, goal, seed), query, query) for query, goal in pairs]
    try:
        for number, (side, attack) in enumerate(turns):
            going = [one for one in both if not target.fell(one.case)]
            if not going:
                break
            made = attack(
                target.model,
                [one.begin(side) for one in going],
                [one.case.goal for one in going],
                judge=target.judge,
                seed=derive(seed, "turn", number),
                progress=_told(progress, number, len(turns), len(both), len(both) - len(going)),
            )
            for one, hostile in zip(going, made, strict=True):
                one.note(side, hostile)
            ends = [inf if hostile.end is None else hostile.end for hostile in made]
            rows = zip(going, made, ends, strict=True)
            target.ask([(one.case, hostile.query, end) for one, hostile, end in rows])
    except Enough:
        pass
    return [one.case.made() for one in both]


def _told(progress: Progress, turn: int, turns: int, samples: int, fallen: int) -> Progress:
    """The progress of one turn as a part of all of them."""

    def tell(going: Going) -> None:
        share = (turn + going.done / max(going.total, 1)) / turns
        progress(Going(round(1000 * share), 1000, fallen + going.fell, samples, going.loss))

    return tell
