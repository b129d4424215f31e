"""What defences of words are fitted on: training's own kind of scenes, and nothing reserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal
from sallet.core.protocols import Judge
from sallet.core.query import Query
from sallet.core.seeds import derive

ASKED = (
    "world/where", "world/caption", "world/presence", "world/benign", "world/harmful-text",
    "world/picture", "world/typographic",
)  # fmt: skip
ATTACKED = ("world/where", "world/harmful-text")


@dataclass(frozen=True)
class Case:
    """One question, hostile or not, and what judges the answer."""

    query: Query
    goal: Goal

    @property
    def harmful(self) -> bool:
        """Whether it is to be refused."""
        return self.goal.kind == "jailbreak"


@dataclass(frozen=True)
class Hostile:
    """PGD against the model without a defence."""

    eps: float = 8.0
    steps: int = 30


def cases_of(model: Any, judge: Judge, limit: int, seed: int, hostile: Hostile) -> list[Case]:
    """`limit` of each set as they are, and of some sets as many others made hostile."""
    found: list[Case] = []
    for name in ASKED:
        bench = catalog.build("benchmark", name, split="train", nouns="open")
        for number, sample in enumerate(bench.samples(limit, seed)):
            own = derive(seed, "calibrate", name, number)
            found.append(Case(sample.query.with_defense_seed(own), sample.default))
    attack = PGD(eps=hostile.eps, steps=hostile.steps)
    for name in ATTACKED:
        bench = catalog.build("benchmark", name, split="train", nouns="open")
        samples = bench.samples(limit, seed + 1)
        queries, goals = [s.query for s in samples], [s.default for s in samples]
        made = attack(model, queries, goals, judge=judge, seed=seed)
        for number, (one, goal) in enumerate(zip(made, goals, strict=True)):
            own = derive(seed, "hostile", name, number)
            found.append(Case(one.query.with_defense_seed(own), goal))
    return found
