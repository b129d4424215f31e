"""Image hijack (Bailey et al. 2023): one image that makes the model behave as it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sallet.attacks.universal import Universal
from sallet.core.errors import RecipeError
from sallet.core.goal import Goal
from sallet.core.protocols import Hostile, Judge, Model, Progress, silent
from sallet.core.query import REFUSAL, Query

BEHAVIOURS = ("string", "refuse", "repeat")


@dataclass(frozen=True, kw_only=True)
class Hijack(Universal):
    """`universal` with a will of its own: what the user asks for does not count.

    `behaviour` is to say `text` (`string`), to decline everything (`refuse`: denial of service; any
    refusal counts, `text` is the one that is asked for), or to repeat the user's words (`repeat`,
    the shape of a leak). Its goal is *targeted*. What it asks for has to be in words that the model
    has. `steps` 0 is its control: the base with noise.
    """

    name: ClassVar[str] = "hijack"
    behaviour: str = "refuse"
    text: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.behaviour not in BEHAVIOURS:
            raise RecipeError(
                f"behaviour must be {', '.join(BEHAVIOURS)}; it is {self.behaviour!r}"
            )
        if self.behaviour == "string" and not self.text:
            raise RecipeError("the behaviour `string` needs the `text` that the model is to say")
        if self.behaviour == "repeat" and self.text is not None:
            raise RecipeError("the behaviour `repeat` says the user's words; drop `text`")

    def wants(self, query: Query, /) -> Goal:
        """What it wants of a query, in place of any goal that it is given."""
        if self.behaviour == "repeat":
            return Goal.say(query.user_text)
        if self.behaviour == "string" and self.text:
            return Goal.say(self.text)
        return Goal.refuse(self.text or REFUSAL)

    def fit(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> Hostile:
        own = [self.wants(query) for query in queries]
        return super().fit(model, queries, own, judge=judge, seed=seed, progress=progress)
