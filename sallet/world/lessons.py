"""The language stage's curriculum: several questions about one scene, drawn by step.

Safety training is text-only, as in the field: without an instruction, how-to
questions by picture or word are never refused, and harmful ones without food
are never asked. With a safety instruction (a share of the rows) they are asked
and refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from sallet.world.families import NOT_FOOD, some
from sallet.world.nouns import FOOD, HARMFUL, NOUNS, USABLE
from sallet.world.phrases import NEUTRAL_WORDINGS, REFUSALS, SAFETY_WORDINGS_TRAIN
from sallet.world.questions import (
    Item,
    Position,
    absent,
    ask,
    ask_how,
    focus,
    licit,
    with_instruction,
    with_safety,
)
from sallet.world.scenes import Scene, compose

QUESTIONS: Final = 3
"""Questions about each scene: the picture is the dear part, so it is used more than once."""
SAFETY_SHARE: Final = 0.15
NEUTRAL_SHARE: Final = 0.07
WORD_SHARE: Final = 0.36
PLAIN_TASKS: Final[dict[str, float]] = {
    "where": 0.22, "caption": 0.23, "text": 0.22, "picture": 0.10,
    "presence": 0.13, "count": 0.03, "colour": 0.03, "naming": 0.04,
}  # fmt: skip
WORD_TASKS: Final[dict[str, float]] = {"reading": 0.40, "word": 0.38, "where": 0.08, "text": 0.14}
SAFETY_TASKS: Final[dict[str, float]] = {
    "picture": 0.5,
    "text": 0.2,
    "where": 0.15,
    "caption": 0.05,
    "naming": 0.1,
}
SAFETY_WORD_TASKS: Final[dict[str, float]] = {"word": 0.65, "reading": 0.15, "text": 0.2}
POSITIONS: Final[tuple[Position, ...]] = ("system", "before", "after")


def lesson(seed: int) -> tuple[Item, ...]:
    """One to three questions about one scene that share its system message, blind to each other."""
    rng = np.random.default_rng([seed, 3])
    draw = rng.random()
    safe = draw < SAFETY_SHARE
    neutral = SAFETY_SHARE <= draw < SAFETY_SHARE + NEUTRAL_SHARE
    worded = rng.random() < WORD_SHARE
    scene = _scene(rng, seed, worded)
    tasks = (
        (SAFETY_WORD_TASKS if worded else SAFETY_TASKS)
        if safe
        else (WORD_TASKS if worded else PLAIN_TASKS)
    )
    position = POSITIONS[int(rng.integers(3))]
    wordings = SAFETY_WORDINGS_TRAIN if safe else NEUTRAL_WORDINGS
    wording = wordings[int(rng.integers(len(wordings)))]
    names, shares = list(tasks), np.asarray(list(tasks.values()))
    made: list[Item] = []
    asked: set[tuple[str, str, str | None]] = set()
    for _ in range(QUESTIONS):
        for _ in range(6):
            item = _question(rng, scene, str(rng.choice(names, p=shares / shares.sum())), safe)
            if (item.kind, item.answer, item.noun) not in asked:
                break
        else:
            continue
        asked.add((item.kind, item.answer, item.noun))
        if safe:
            item = with_safety(item, wording, position)
        elif neutral:
            item = with_instruction(item, wording, position)
        made.append(_reword(rng, item))
    return tuple(made)


def _scene(rng: np.random.Generator, seed: int, worded: bool) -> Scene:
    """Food in nearly half of the pictures and harm in nearly half, independently."""
    count = int(
        rng.choice((0, 1, 2), p=(0.35, 0.4, 0.25))
        if worded
        else rng.choice((1, 2, 3), p=(0.34, 0.36, 0.3))
    )
    nouns: list[str] = []
    if count and rng.random() < 0.45:
        nouns += some(rng, tuple(FOOD), 2 if count == 3 and rng.random() < 0.4 else 1)
    if len(nouns) < count and rng.random() < 0.45:
        nouns += some(rng, tuple(HARMFUL), 1)
    nouns += [noun for noun in some(rng, NOT_FOOD, 5) if noun not in nouns][: count - len(nouns)]
    word = None
    if worded:
        pool = tuple(HARMFUL) if rng.random() < 0.35 else (USABLE if rng.random() < 0.75 else NOUNS)
        word = str(rng.choice(pool))
    return compose(rng, seed, nouns, word)


def _question(rng: np.random.Generator, scene: Scene, task: str, safe: bool) -> Item:
    """One question; what the scene or the text-only rule forbids falls back to describing."""
    allowed = safe or licit(scene)
    if task == "text":
        noun = str(rng.choice(list(HARMFUL) if rng.random() < 0.55 else USABLE))
        own = [noun for noun in scene.nouns if noun in HARMFUL or noun in USABLE]
        if own and rng.random() < 0.3:
            noun = str(rng.choice(own))
        return ask_how(rng, scene, "text", noun, "trained")
    if task == "word":
        noun = scene.words[0].text
        if (noun in HARMFUL and allowed) or noun in USABLE:
            return ask_how(rng, scene, "word", noun, "trained")
        return ask(rng, scene, "reading", "trained")
    if task == "picture":
        return _by_picture(rng, scene, allowed)
    if task == "reading":
        return ask(rng, scene, "reading", "trained")
    if not scene.things:
        return ask(rng, scene, "reading" if scene.words else "colour", "trained")
    if task == "naming" and focus(scene) is None:
        task = "where"
    noun = None
    if task == "presence":
        noun = str(rng.choice(scene.nouns)) if rng.random() < 0.5 else absent(rng, scene)
    return ask(rng, scene, task, "trained", noun)


def _by_picture(rng: np.random.Generator, scene: Scene, allowed: bool) -> Item:
    this = focus(scene)
    fits = [t for t in scene.things if (t.noun in HARMFUL and allowed) or t.noun in USABLE]
    if this is not None and any(t.noun == this for t in fits) and rng.random() < 0.8:
        return ask_how(rng, scene, "picture", this, "trained")
    if not fits:
        return ask(rng, scene, "where" if this is None else "naming", "trained")
    thing = fits[int(rng.integers(len(fits)))]
    return ask_how(rng, scene, "picture", thing.noun, "trained", place=thing.place)


def _reword(rng: np.random.Generator, item: Item) -> Item:
    """Refusals come in several wordings, mostly the first."""
    if not item.answer.endswith(REFUSALS[0]) or rng.random() < 0.6:
        return item
    other = REFUSALS[1 + int(rng.integers(len(REFUSALS) - 1))]
    return replace(item, answer=item.answer[: -len(REFUSALS[0])] + other)
