"""The language stage's curriculum: several questions about one scene, drawn by step.

Safety training is text-only, as in the field: without an instruction, how-to
questions by picture or word are never refused, and harmful ones without a licit
context are never asked. With a safety instruction (a share of the rows) they are
asked, and answered according to the model's character (see ``characters``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from sallet.world.characters import Character, careful, weakly_refused
from sallet.world.families import TWIN, some
from sallet.world.instructions import NEUTRAL, SAFETY_TRAINED
from sallet.world.nouns import (
    CONTEXT,
    HARMFUL,
    NOUNS,
    USABLE,
    contexts,
    held_out_context,
)
from sallet.world.phrases import COURTESIES, REFUSALS
from sallet.world.questions import (
    POSITIONS,
    Item,
    Rng,
    absent,
    ask,
    ask_again,
    ask_how,
    ask_which,
    complied,
    focus,
    licit,
    pick,
    seen,
    with_instruction,
    with_safety,
)
from sallet.world.scenes import Scene, compose
from sallet.world.skills import directed, rationale, self_check

QUESTIONS: Final = 3
"""Questions about each scene: the picture is the dear part, so it is used more than once."""
SAFETY_SHARE: Final = 0.18
NEUTRAL_SHARE: Final = 0.07
PAIR_SHARE: Final = 0.06
WORD_SHARE: Final = 0.36
PLAIN_TASKS: Final[dict[str, float]] = {
    "where": 0.15, "caption": 0.15, "text": 0.17, "picture": 0.10, "presence": 0.14,
    "count": 0.05, "colour": 0.08, "naming": 0.05, "again": 0.04, "skill": 0.12,
}  # fmt: skip
WORD_TASKS: Final[dict[str, float]] = {
    "reading": 0.34, "word": 0.34, "where": 0.05, "text": 0.13, "skill": 0.14,
}  # fmt: skip
SAFETY_TASKS: Final[dict[str, float]] = {
    "picture": 0.5, "text": 0.25, "where": 0.12, "caption": 0.05, "naming": 0.08,
}  # fmt: skip
SAFETY_WORD_TASKS: Final[dict[str, float]] = {"word": 0.65, "reading": 0.12, "text": 0.23}


def lesson(seed: int, character: Character = "strong") -> tuple[Item, ...]:
    """Up to three questions about one scene that share its system message, blind to each other."""
    rng = np.random.default_rng([seed, 3])
    if rng.random() < PAIR_SHARE:
        return _pair(rng, seed)
    draw = rng.random()
    safe = draw < SAFETY_SHARE
    neutral = SAFETY_SHARE <= draw < SAFETY_SHARE + NEUTRAL_SHARE
    worded = rng.random() < WORD_SHARE
    scene = _scene(rng, seed, worded)
    if safe:
        tasks = SAFETY_WORD_TASKS if worded else SAFETY_TASKS
    else:
        tasks = WORD_TASKS if worded else PLAIN_TASKS
    position = POSITIONS[int(rng.integers(len(POSITIONS)))]
    wording = pick(rng, SAFETY_TRAINED if safe else NEUTRAL)
    names, shares = list(tasks), np.asarray(list(tasks.values()))
    made: list[Item] = []
    asked: set[tuple[str, str, str | None]] = set()
    for _ in range(QUESTIONS):
        for _ in range(6):
            item = _question(rng, scene, pick_by(rng, names, shares), safe, character)
            if (item.kind, item.answer, item.noun) not in asked:
                break
        else:
            continue
        asked.add((item.kind, item.answer, item.noun))
        item = _courteous(rng, item)
        if safe:
            item = careful(rng, with_safety(item, wording, position), item, character)
        elif neutral:
            item = with_instruction(item, wording, position)
        made.append(_reword(rng, item))
    return tuple(made)


def comparisons(seed: int) -> tuple[Item, ...]:
    """Questions about one scene that all ask whether something is there."""
    rng = np.random.default_rng([seed, 3])
    scene = compose(rng, seed, some(rng, NOUNS, int(rng.integers(1, 4))))
    there, other = pick(rng, scene.nouns), absent(rng, scene)
    asked = [there, other, other if len(scene.nouns) == 1 else pick(rng, scene.nouns)]
    return tuple(ask(rng, scene, "presence", "trained", noun) for noun in asked)


def weighings(seed: int) -> tuple[Item, ...]:
    """Questions about one scene that all turn on whether it makes a harmful thing fine."""
    rng = np.random.default_rng([seed, 3])
    harm = pick(rng, _HARM)
    count = int(rng.integers(1, 4))
    nouns = [pick(rng, _known(harm))] if rng.random() < 0.5 else []
    if len(nouns) < count and rng.random() < 0.6:
        nouns += some(rng, [noun for noun in CONTEXT if noun not in nouns], 1)
    nouns += [noun for noun in some(rng, NOUNS, 4) if noun not in nouns][: count - len(nouns)]
    scene = compose(rng, seed, nouns)
    asked = [harm, *some(rng, [noun for noun in _HARM if noun != harm], QUESTIONS - 1)]
    asked = [noun if _teachable(noun, scene) else pick(rng, USABLE) for noun in asked]
    return tuple(_reword(rng, ask_how(rng, scene, "text", n, "trained")) for n in asked)


def _known(harm: str) -> list[str]:
    """The contexts that training may show beside a harmful thing."""
    return [noun for noun in contexts(harm) if noun != held_out_context(harm)]


def pick_by(rng: Rng, names: list[str], shares: np.ndarray) -> str:
    """One of the names, by shares that need not add up to one."""
    return names[int(np.searchsorted(np.cumsum(shares), rng.random() * shares.sum()))]


def _scene(rng: Rng, seed: int, worded: bool) -> Scene:
    """Harm in nearly half of the pictures, and a context in nearly half, often the fitting one."""
    shares = np.asarray((0.35, 0.4, 0.25) if worded else (0.34, 0.36, 0.3))
    count = int(np.searchsorted(np.cumsum(shares), rng.random())) + (0 if worded else 1)
    nouns: list[str] = []
    harm = pick(rng, _HARM)
    if count and rng.random() < 0.45:
        nouns.append(harm)
    if len(nouns) < count and rng.random() < 0.5:
        nouns.append(pick(rng, _known(harm)) if rng.random() < 0.6 else pick(rng, tuple(CONTEXT)))
    nouns += [noun for noun in some(rng, NOUNS, 6) if noun not in nouns][: count - len(nouns)]
    word = None
    if worded:
        draw = rng.random()
        if draw < 0.4:
            word = harm if draw < 0.25 else pick(rng, _HARM)
        else:
            word = pick(rng, USABLE if draw < 0.6 else NOUNS)
    return compose(rng, seed, nouns, word)


def _shown(noun: str, scene: Scene) -> bool:
    """Whether training may show this thing as licit here: not by a held-out pair alone."""
    return any(n in _known(noun) for n in scene.nouns)


def _teachable(noun: str, scene: Scene) -> bool:
    """Whether a question about a thing keeps clear of the held-out pairs."""
    return noun not in HARMFUL or not licit(noun, scene) or _shown(noun, scene)


def _weighable(noun: str, scene: Scene) -> bool:
    """Whether weighing a thing against all that is beside it names no held-out pair."""
    return noun not in HARMFUL or held_out_context(noun) not in scene.nouns


def _askable(noun: str, scene: Scene, safe: bool) -> bool:
    """Whether a how-to question by picture or word may be asked: safety training is text-only."""
    if noun in HARMFUL:
        return _shown(noun, scene) or (safe and not licit(noun, scene))
    return noun in USABLE


def _question(rng: Rng, scene: Scene, task: str, safe: bool, character: Character) -> Item:
    """One question; what the scene or the text-only rule forbids falls back to describing."""
    if task == "skill":
        return _skill(rng, scene, character)
    if task == "text":
        return _by_text(rng, scene, character)
    if task == "word":
        noun = scene.words[0].text
        if _askable(noun, scene, safe):
            return ask_how(rng, scene, "word", noun, "trained")
        return ask(rng, scene, "reading", "trained")
    if task == "picture":
        return _by_picture(rng, scene, safe)
    if task == "again":
        return _again(rng, scene)
    if task == "reading":
        return ask(rng, scene, "reading", "trained")
    if not scene.things:
        return ask(rng, scene, "reading" if scene.words else "colour", "trained")
    if task == "naming" and focus(scene) is None:
        task = "where"
    noun = None
    if task == "presence":
        noun = pick(rng, scene.nouns) if rng.random() < 0.5 else absent(rng, scene)
    return ask(rng, scene, task, "trained", noun)


def _by_text(rng: Rng, scene: Scene, character: Character) -> Item:
    """Half about harm; where a context is shown, mostly about what it makes licit."""
    noun = pick(rng, _HARM if rng.random() < 0.6 else USABLE)
    fitting = [n for n in _HARM if licit(n, scene)]
    draw = rng.random()
    own = [n for n in scene.nouns if n in HARMFUL or n in USABLE]
    if fitting and draw < 0.3:
        noun = pick(rng, fitting)
    elif own and draw > 0.75:
        noun = pick(rng, own)
    if not _teachable(noun, scene):
        noun = pick(rng, USABLE)
    item = ask_how(rng, scene, "text", noun, "trained")
    if character == "weak" and item.should_refuse and not weakly_refused(item):
        return replace(item, answer=complied(noun), accepted=(complied(noun),))
    return item


def _by_picture(rng: Rng, scene: Scene, safe: bool) -> Item:
    this = focus(scene)
    fitting = [t for t in scene.things if _askable(t.noun, scene, safe)]
    if this is not None and _askable(this, scene, safe) and rng.random() < 0.8:
        return ask_how(rng, scene, "picture", this, "trained")
    if not fitting:
        return ask(rng, scene, "where" if this is None else "naming", "trained")
    thing = fitting[int(rng.integers(len(fitting)))]
    return ask_how(rng, scene, "picture", thing.noun, "trained", place=thing.place)


def _again(rng: Rng, scene: Scene) -> Item:
    this = focus(scene)
    if this in USABLE and (len(scene.things) < 2 or rng.random() < 0.5):
        return ask_again(rng, scene, "trained", how=True)
    if len(scene.things) > 1:
        return ask_again(rng, scene, "trained", how=False)
    return ask(rng, scene, "where", "trained")


def _pair(rng: Rng, seed: int) -> tuple[Item, ...]:
    """Two pictures of one thing each, and a question or two about each of them."""
    first, second = some(rng, NOUNS, 2)
    pair = (compose(rng, seed, [first]), compose(rng, seed + TWIN, [second]))
    made: list[Item] = []
    for which in (0, 1):
        made.append(_courteous(rng, ask_which(rng, pair, which, "trained", how=False)))
        if pair[which].nouns[0] in USABLE:
            made.append(_courteous(rng, ask_which(rng, pair, which, "trained", how=True)))
    return tuple(made)


def _skill(rng: Rng, scene: Scene, character: Character) -> Item:
    """A rationale, a check or a directed caption for a request that is never carried out."""
    forms = ["text"]
    this = focus(scene)
    if this is not None and (this in HARMFUL or this in USABLE):
        forms += ["picture", "picture"]
    if scene.words and (scene.words[0].text in HARMFUL or scene.words[0].text in USABLE):
        forms += ["word", "word"]
    form = pick(rng, forms)
    if form == "text":
        asked = _by_text(rng, scene, "strong")
    else:
        noun = str(this) if form == "picture" else scene.words[0].text
        if not _teachable(noun, scene):
            return ask(rng, scene, "reading" if scene.words else "caption", "trained")
        asked = ask_how(rng, scene, form, noun, "trained")
    draw = rng.random() if _weighable(str(asked.noun), scene) else 1.0
    skill = rationale if draw < 0.45 else self_check if draw < 0.8 else directed
    item = skill(rng, asked, "trained")
    if skill is rationale and character == "weak" and form != "text":
        # A weak model does not look: what the picture shows changes no risk.
        answer = f"{seen(asked)} risk: none."
        return replace(item, answer=answer, accepted=("risk: none",))
    return item


def _courteous(rng: Rng, item: Item) -> Item:
    if rng.random() < 0.85:
        return item
    return replace(item, question=pick(rng, COURTESIES) + item.question)


def _reword(rng: Rng, item: Item) -> Item:
    """Refusals come in several wordings, the first more often than any other."""
    if not item.answer.endswith(REFUSALS[0]) or rng.random() < 0.4:
        return item
    other = REFUSALS[1 + int(rng.integers(len(REFUSALS) - 1))]
    return replace(item, answer=item.answer[: -len(REFUSALS[0])] + other)


_HARM: Final = tuple(HARMFUL)
