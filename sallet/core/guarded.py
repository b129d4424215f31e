"""A guarded model is a model: so the threat model is which object an attack is handed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from sallet.core.compose import Stack
from sallet.core.errors import NoGradient
from sallet.core.goal import Goal
from sallet.core.offline import MAX_IN_FLIGHT, MAX_PIXELS, Offline, Tally
from sallet.core.protocols import Defense, Heard, Model, Trace, WhiteBox, score
from sallet.core.query import Answer, Failure, Query
from sallet.core.rehearsal import Votes, rehearse


@dataclass
class Guarded:
    """`model` behind `defense`: answers through `Offline`, loses through `Rehearsal`."""

    model: Model
    defense: Defense
    max_in_flight: int = MAX_IN_FLIGHT
    max_pixels: int = MAX_PIXELS
    votes: Votes = "mean"
    tally: Tally = field(default_factory=Tally, init=False)

    @property
    def name(self) -> str:
        """The model's name and the defence's."""
        return f"{self.model.name}|{self.defense.name}"

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """What a client of the defended system gets; the cost is left in `tally`."""
        runtime = Offline(self.model, max_in_flight=self.max_in_flight, max_pixels=self.max_pixels)
        try:
            return runtime.run(self.defense, queries)
        finally:
            self.tally = runtime.tally

    def score(self, queries: Sequence[Query], goals: Sequence[Goal]) -> list[Heard]:
        """What a client sees that asks for probabilities: those of the query that is forwarded.

        Where the defence writes the answer itself there are none, and the answer is all.
        """
        runtime = Offline(self.model, max_in_flight=self.max_in_flight, max_pixels=self.max_pixels)
        try:
            ends = runtime.ends(self.defense, queries)
            asked = [(end, g) for end, g in zip(ends, goals, strict=True) if isinstance(end, Query)]
            shown = iter(score(self.model, [q for q, _ in asked], [g for _, g in asked]))
            if asked:
                runtime.tally.add("model", len(asked))
            return [
                next(shown) if isinstance(end, Query) else Heard(None, answer=end) for end in ends
            ]
        finally:
            self.tally = runtime.tally

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        """The attacker's loss through the defence, differentiable to every image with grad."""
        return self.trace(queries, goals).loss

    def trace(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Trace:
        """The loss through the defence, and whether every view now says what is wanted."""
        if self.defense.gradient == "none":
            raise NoGradient(
                f"the defence {self.defense.name!r} declares that it gives no gradient; attack it "
                "with queries only, or transfer from the model without it"
            )
        if not isinstance(self.model, WhiteBox):
            raise NoGradient(
                f"the model {self.model.name!r} gives no gradient; attack it with queries only, or "
                "transfer from a local model"
            )
        return rehearse(self.model, self.defense, queries, goals, votes=self.votes)


def guarded(model: Model, *defenses: Defense) -> Guarded:
    """`model` behind these defences, outermost first; a guarded model can be guarded again."""
    if isinstance(model, Guarded):
        return guarded(model.model, *defenses, model.defense)
    return Guarded(model, defenses[0] if len(defenses) == 1 else Stack(*defenses))


def randomised(model: Model) -> bool:
    """Whether what a model is shown depends on a defence's seed."""
    return isinstance(model, Guarded) and model.defense.stochastic


def varies(model: Model) -> bool:
    """Whether the same query may be answered otherwise the next time: by a random defence, or by a
    model that says of itself that it is not deterministic, as endpoints do."""
    if isinstance(model, Guarded):
        return randomised(model) or varies(model.model)
    return not getattr(model, "deterministic", True)
