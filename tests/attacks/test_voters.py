"""Who knows the vote attacks as many views as win."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from sallet.attacks.pgd import PGD
from sallet.attacks.voters import Voters
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.protocols import Trace
from sallet.core.query import Answer, Query
from sallet.judges.rules import Rules
from tests.core.toys import Smooth, Toy, picture

GOAL = Goal.say("blue")
QUERY = Query.ask(picture(4), "what colour ?")


@dataclass
class Strict(Toy):
    """Says nothing of what it is likely to say, so that every step is a gradient step."""

    losses: list[float] = field(default_factory=list)

    def trace(self, queries, goals):
        return Trace(self.loss(queries, goals), (False,) * len(queries))

    def answer(self, queries):
        return [Answer("red") for _ in queries]


def ends(attack) -> float:
    made = attack(guarded(Strict(), Smooth(5)), [QUERY], [GOAL], judge=Rules(), seed=1)
    (hostile,) = made
    assert hostile.end is not None
    return hostile.end


def test_the_loss_is_that_of_the_weakest_majority():
    settings = {"eps": 4.0, "steps": 3, "eot": 1, "eot_most": 1, "check_every": 5}
    assert ends(Voters(**settings)) < ends(PGD(**settings))


def test_without_a_vote_it_is_pgd():
    model = Strict()
    one, other = (
        kind(steps=2)(model, [QUERY], [GOAL], judge=Rules(), seed=1)[0] for kind in (PGD, Voters)
    )
    assert torch.equal(one.query.images[0].tensor(), other.query.images[0].tensor())
