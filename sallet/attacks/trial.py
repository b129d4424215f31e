"""`Trial`: one sample under attack, and the best that was made of it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sallet.attacks.space import Space
from sallet.core.goal import Goal
from sallet.core.protocols import Hostile
from sallet.core.query import Query

MOST_PATIENCE = 8
"""Steps that a sample waits at most after it promised and did not keep it."""
Point = list[Tensor]
"""One tensor for each image of the query."""


@dataclass(eq=False)
class Trial:
    """What is kept is not the last point but the best.

    One that the model, asked about the 8-bit image that would be uploaded, really fell for; among
    those, or if there is none, the one of lowest loss.
    """

    query: Query
    goal: Goal
    seed: int
    clean: Point
    point: Point
    velocity: Point
    eot: int = 1
    memory: Any = None
    """What an attack's own formula remembers of this sample."""
    seen: Point = field(default_factory=list[Tensor])
    """Where the last look was, and its loss and sign."""
    loss: float = float("inf")
    says: bool | None = None
    start: float | None = None
    gradient: float | None = None
    steps: int = 0
    looks: int = 0
    asks: int = 0
    curve: list[float] = field(default_factory=list[float])
    lowest: float = float("inf")
    lowest_point: Point = field(default_factory=list[Tensor])
    won: int = -1
    won_loss: float = float("inf")
    won_point: Point = field(default_factory=list[Tensor])
    quiet_until: int = 0
    patience: int = 1

    def look(self, loss: float, says: bool | None) -> None:
        """Notes what a look at the point showed."""
        self.seen = [part.detach() for part in self.point]
        self.loss, self.says = loss, says
        self.curve.append(loss)
        if self.start is None:
            self.start = loss
        if not loss > self.lowest:  # a loss that is not a number is kept until a better one
            self.lowest, self.lowest_point = loss, self.seen

    @property
    def promising(self) -> bool:
        """Whether the last look was of a point that the model seems to fall for."""
        wanted = self.goal.sign > 0
        return self.says is not None and self.says is wanted and self.steps >= self.quiet_until

    def answered(self, wins: int, loss: float, point: Point) -> None:
        """Keeps a point by how often the model fell for it; one that promised too much waits."""
        broke_its_word = wins == 0 and self.promising
        if (wins, -loss) > (self.won, -self.won_loss):
            self.won, self.won_loss, self.won_point = wins, loss, point
        if broke_its_word:
            self.quiet_until = self.steps + self.patience
            self.patience = min(2 * self.patience, MOST_PATIENCE)

    def hostile(self, space: Space, point: Sequence[Tensor]) -> Query:
        """The query with the 8-bit images that would be uploaded."""
        pairs = zip(self.clean, point, strict=True)
        return self.query.with_images([space.file(clean, part) for clean, part in pairs])

    def made(self, space: Space) -> Hostile:
        """The best of it."""
        point = self.won_point or self.lowest_point or self.point
        loss = self.won_loss if self.won_point else self.lowest
        return Hostile(
            self.hostile(space, point), self.start, loss, self.steps, self.gradient,
            self.asks, self.looks, self.eot, tuple(self.curve),
        )  # fmt: skip
