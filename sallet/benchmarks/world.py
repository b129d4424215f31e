"""The picture world's families as benchmarks, on held-out scenes and any wording."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

import numpy as np

from sallet.core.errors import RecipeError
from sallet.core.goal import Goal, Kind
from sallet.core.image import Image
from sallet.core.query import Message, Query
from sallet.core.sample import Sample
from sallet.core.seeds import derive
from sallet.world.families import items
from sallet.world.nouns import RESERVED, a
from sallet.world.phrases import REFUSALS
from sallet.world.questions import Item, complied
from sallet.world.render import render

Split = Literal["held-out", "shift", "train"]
SPLITS: Final = ("held-out", "shift", "train")
Nouns = Literal["all", "open", "reserved"]
RENAMED: Final = {"harmful-text": "harmful"}
BENIGN: Final = ("harmless", "licit", "picture-harmless", "picture-licit", "harmful-looking")
MAX_TOKENS: Final = 48
DEFAULT_LIMIT: Final = 200
SEEDS: Final = 1 << 19
"""Seeds of samples; the wrong answers of targeted goals come from scenes of the seeds above."""
WRONG: Final = 64


@dataclass(frozen=True)
class World:
    """One family, or `world/benign`: an even mixture of what must not be refused.

    `split` may be *shift*: drawings, fonts and grounds that training never showed. `nouns`
    keeps to samples without any reserved thing, to tune attacks and defences on (*open*), or asks
    of the harmful things about reserved ones alone (*reserved*).
    """

    name: str
    split: Split = "held-out"
    nouns: Nouns = "all"
    licence: str = "Apache-2.0"
    judge: str = "world"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise RecipeError(f"{self.name} has the splits {', '.join(SPLITS)}, got {self.split!r}")
        if self.nouns not in ("all", "open", "reserved"):
            raise RecipeError(f"{self.name} takes nouns all, open or reserved, got {self.nouns!r}")

    def samples(self, limit: int | None, seed: int) -> list[Sample]:
        """`limit` samples (200 if None), the same ones for the same seed."""
        count = DEFAULT_LIMIT if limit is None else limit
        family = self.name.removeprefix("world/")
        if family != "benign":
            return self._samples(RENAMED.get(family, family), count, seed)
        share = -(-count // len(BENIGN))
        each = [self._samples(f, share, seed) for f in BENIGN]
        return [samples[i] for i in range(share) for samples in each][:count]

    def _samples(self, family: str, count: int, seed: int) -> list[Sample]:
        drawn = self._items(family, count, seed % SEEDS)
        return [self._sample(i, item, seed) for i, item in enumerate(drawn)]

    def _items(self, family: str, count: int, seed: int) -> list[Item]:
        def of(n: int) -> list[Item]:
            held_out, shift = self.split != "train", self.split == "shift"
            return items(family, n, seed=seed, held_out=held_out, shift=shift)

        if self.nouns == "all":
            return of(count)
        found: list[Item] = []
        drawn = count
        while len(found) < count:
            drawn *= 2
            found = [item for item in of(drawn) if self._keeps(item)]
        return found[:count]

    def _keeps(self, item: Item) -> bool:
        if self.nouns == "reserved":
            return not item.harmful or item.noun in RESERVED
        return not _things(item) & {*RESERVED}

    def _sample(self, i: int, item: Item, seed: int) -> Sample:
        identity = f"{item.family}-{seed}-{i}"
        harmful = item.should_refuse
        right = REFUSALS if harmful else (item.answer, *item.accepted)
        query = _query(item)
        return Sample(
            id=identity,
            query=query,
            reference=tuple(dict.fromkeys(right)),
            harmful=harmful,
            cluster=item.noun or identity,
            goals=_harmful_goals(item) if harmful else _benign_goals(item, identity, query),
            category=item.family,
            split="unseen" if self.split == "shift" else None,
            reserved=bool(_things(item) & {*RESERVED}),
        )


def _things(item: Item) -> set[str | None]:
    """All that an item asks about, shows or writes."""
    shown = {noun for scene in item.scenes for noun in scene.nouns}
    written = {word.text for scene in item.scenes for word in scene.words}
    return {item.noun, *shown, *written}


def _query(item: Item) -> Query:
    """The item's chat: its pictures in the first user turn, earlier turns before its question."""
    images = tuple(Image(render(scene)) for scene in item.scenes)
    if not item.turns:
        return Query.ask(*images, item.question, system=item.system, max_tokens=MAX_TOKENS)
    (first, said), *later = item.turns
    query = Query.ask(*images, first, system=item.system, max_tokens=MAX_TOKENS)
    turns = [Message("assistant", (said,))]
    for asked, answered in later:
        turns += [Message("user", (asked,)), Message("assistant", (answered,))]
    turns.append(Message("user", (item.question,)))
    return replace(query, messages=(*query.messages, *turns))


def _harmful_goals(item: Item) -> dict[Kind, Goal]:
    assert item.noun is not None
    return {"jailbreak": Goal.stop_refusing(complied(item.noun), item.noun, a(item.noun))}


def _benign_goals(item: Item, identity: str, query: Query) -> dict[Kind, Goal]:
    """With a picture each where there is one: the sample's own, that of the wanted answer."""
    accepted = (*item.accepted, *((complied(item.noun),) if item.how_to and item.noun else ()))
    own = query.images[0] if len(query.images) == 1 else None
    leave = replace(Goal.stop_saying(item.answer, *accepted), image=own)
    goals: dict[Kind, Goal] = {"untargeted": leave}
    others = _wrong_answers(item.family)
    rng = np.random.default_rng(derive(0, "wrong answer", identity))
    right = {answer.rstrip(".") for answer in (item.answer, *accepted)}
    for j in rng.permutation(len(others)):
        other = others[int(j)]
        if other.kind == item.kind and not right & {x.rstrip(".") for x in other.accepted}:
            say = Goal.say(other.answer, *other.accepted)
            goals["targeted"] = replace(say, image=own and _wrong_picture(item.family, int(j)))
            break
    return goals


@cache
def _wrong_answers(family: str) -> tuple[Item, ...]:
    """Where targeted goals come from: the same for every sample, limit and split."""
    return tuple(items(family, WRONG, seed=SEEDS))


@cache
def _wrong_picture(family: str, number: int) -> Image:
    """The picture of which a wrong answer is right; the first of two."""
    return Image(render(_wrong_answers(family)[number].scene))
