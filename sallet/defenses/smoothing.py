"""The engine of every smoothing defence: views of a query, a vote, and an early end.

Who branches on what was answered needs no `via.decide`: in a rehearsal the replies are already what
the attacker wants them to be, and so is the branch.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sallet.core.errors import RecipeError
from sallet.core.protocols import Via
from sallet.core.query import Answer, Query
from sallet.defenses.sequential import needed, settled
from sallet.defenses.votes import Vote


@dataclass(frozen=True)
class Plan:
    """How many `copies` vote at most, and the `error` of a vote that ends before: the probability
    that all copies would have said otherwise, every share of agreement being as likely. None: all
    are asked, in one batch."""

    copies: int
    error: float | None = None

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise RecipeError(f"smoothing needs at least 1 copy; it has {self.copies}")
        if self.error is not None and not 0 <= self.error < 0.5:
            raise RecipeError(
                f"the error of an early end is 0 to 0.5, or null for none; it is {self.error}"
            )

    def first(self) -> int:
        """The copies of the first batch: as few as can settle the vote if they agree."""
        return self.copies if self.error is None else needed(0, 0, self.copies, self.error)

    def more(self, lead: int, asked: int) -> int:
        """The copies of the next batch; none when the vote is settled."""
        if self.error is None or settled(lead, asked, self.copies, self.error):
            return 0
        return needed(lead, asked, self.copies, self.error)


async def smooth(
    query: Query,
    via: Via,
    plan: Plan,
    *,
    view: Callable[[int], Query],
    vote: Callable[[Sequence[Answer]], Coroutine[Any, Any, Vote]],
) -> Answer:
    """One of the answers to the views, chosen by `vote`; all of them stand in its `copies`.

    The text and who refused are the chosen copy's own: nothing is written here.
    """
    answers: list[Answer] = []
    more = plan.first()
    while True:
        answers += await via.ask(*(view(len(answers) + i) for i in range(more)))
        chosen = await vote(answers)
        more = plan.more(chosen.lead, len(answers))
        if not more:
            return replace(answers[chosen.winner], copies=tuple(answers))
