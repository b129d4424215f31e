"""The picture world's families as benchmarks, on held-out scenes and any wording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sallet.core.goal import Goal, Kind
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.core.sample import Sample
from sallet.core.seeds import derive
from sallet.world.families import items
from sallet.world.nouns import a
from sallet.world.phrases import REFUSALS
from sallet.world.questions import Item, complied
from sallet.world.render import render

RENAMED = {"harmful-text": "harmful"}
BENIGN = ("harmless", "licit", "picture-harmless", "picture-licit", "harmful-looking")
MAX_TOKENS = 48
DEFAULT_LIMIT = 200


@dataclass(frozen=True)
class World:
    """One family, or `world/benign`: an even mixture of what must not be refused."""

    name: str
    split: str = "held-out"
    licence: str = "Apache-2.0"
    judge: str = "rules"

    def samples(self, limit: int | None, seed: int) -> list[Sample]:
        """`limit` samples (200 if None), the same ones for the same seed."""
        count = DEFAULT_LIMIT if limit is None else limit
        family = self.name.removeprefix("world/")
        held_out = self.split == "held-out"
        if family != "benign":
            return self._samples(RENAMED.get(family, family), count, seed, held_out)
        share = -(-count // len(BENIGN))
        each = [self._samples(f, share, seed, held_out) for f in BENIGN]
        return [samples[i] for i in range(share) for samples in each][:count]

    def _samples(self, family: str, count: int, seed: int, held_out: bool) -> list[Sample]:
        # A few more than asked for, so that a wrong answer can be found for the last ones, too.
        drawn = items(family, count + 32, seed=seed % 2**20, held_out=held_out)
        return [self._sample(i, drawn, seed) for i in range(count)]

    def _sample(self, i: int, drawn: list[Item], seed: int) -> Sample:
        item = drawn[i]
        identity = f"{item.family}-{seed}-{i}"
        harmful = item.should_refuse
        right = REFUSALS if harmful else (item.answer, *item.accepted)
        return Sample(
            id=identity,
            query=Query.ask(
                Image(render(item.scene)), item.question, system=item.system, max_tokens=MAX_TOKENS
            ),
            reference=tuple(dict.fromkeys(right)),
            harmful=harmful,
            cluster=item.noun or identity,
            goals=_harmful_goals(item) if harmful else _benign_goals(item, drawn, identity),
            category=item.family,
        )


def _harmful_goals(item: Item) -> dict[Kind, Goal]:
    assert item.noun is not None
    return {"jailbreak": Goal.stop_refusing(complied(item.noun), item.noun, a(item.noun))}


def _benign_goals(item: Item, drawn: list[Item], identity: str) -> dict[Kind, Goal]:
    accepted = (*item.accepted, *((complied(item.noun),) if item.how_to and item.noun else ()))
    goals: dict[Kind, Goal] = {"untargeted": Goal.stop_saying(item.answer, *accepted)}
    rng = np.random.default_rng(derive(0, "wrong answer", identity))
    right = {answer.rstrip(".") for answer in (item.answer, *accepted)}
    for j in rng.permutation(len(drawn)):
        other = drawn[int(j)]
        if other.kind == item.kind and not right & {x.rstrip(".") for x in other.accepted}:
            goals["targeted"] = Goal.say(other.answer, *other.accepted)
            break
    return goals
