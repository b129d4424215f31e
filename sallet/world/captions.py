"""Captions: the many true ways to say what a scene shows, and whether a text is one of them.

A caption is *right* when it is true and complete: every thing with its place, each
once, and nothing that is not there. Guaranteed: each of ``every`` is right by
``true_of``, and each of ``one`` says only what is true by ``holds``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from typing import Final, Literal

import numpy as np

from sallet.world.nouns import NOUNS, a
from sallet.world.scenes import COLOURS, PLACES, ROWS, Scene, Word

Rng = np.random.Generator
NOTHING: Final = "nothing"
OPENINGS: Final = ("", "there is ", "i see ", "the picture shows ")
ORDERS: Final = 6
"""All orders of three things; of more, the first ones."""


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says: a thing, a colour or a rendered word, and perhaps where."""

    kind: Literal["thing", "colour", "word"]
    what: str
    place: str | None = None


def every(scene: Scene) -> tuple[str, ...]:
    """Right captions of a scene, at most 60: the plain one first, in the order of ``PLACES``."""
    if not scene.things:
        listings = {" and ": [NOTHING]}
    else:
        placed = [f"{a(t.noun)} at the {t.place}" for t in scene.things]
        orders = list(islice(permutations(placed), ORDERS))
        listings = {joint: [joint.join(order) for order in orders] for joint in (" and ", ", ")}
    forms = [(opening, " and ", end) for end in ("", _ground(scene)) for opening in OPENINGS]
    forms += [(opening, ", ", "") for opening in OPENINGS[:2]]
    return tuple(
        dict.fromkeys(
            f"{opening}{listing}{end}."
            for opening, joint, end in forms
            for listing in listings.get(joint, ())
        )
    )


def one(rng: Rng, scene: Scene) -> str:
    """A true caption for training an encoder: a right one, or one that says less or else."""
    draw = rng.random()
    if draw >= 0.6:
        return _shorter(rng, scene)
    captions = every(scene)
    text = captions[0] if draw < 0.3 else _pick(rng, captions)
    if scene.words and rng.random() < 0.5:
        text = f"{text[:-1]} and {_written(rng, scene.words[0])}."
    return text


def holds(scene: Scene, text: str) -> bool:
    """Whether a text says something of a scene, and nothing but what is true."""
    claims = read(text)
    return bool(claims) and facts(scene).issuperset(claims or ())


def true_of(scene: Scene, text: str) -> bool:
    """Whether a text is a right caption of a scene: true, and complete as to the things.

    Order, articles, punctuation and openings are free; the colour of the
    background and a rendered word may be said, if they are true.
    """
    said = sorted((c.what, c.place or "") for c in read(text) or () if c.kind == "thing")
    shown = sorted((t.noun, t.place) for t in scene.things) or [(NOTHING, "")]
    return said == shown and holds(scene, text)


def facts(scene: Scene) -> frozenset[Claim]:
    """All claims that are true of a scene."""
    things = [Claim("thing", t.noun, p) for t in scene.things for p in (None, t.place)]
    words = [Claim("word", w.text, p) for w in scene.words for p in (None, row(w))]
    return frozenset(
        (*(things or [Claim("thing", NOTHING)]), *words, Claim("colour", scene.colour))
    )


def read(text: str) -> tuple[Claim, ...] | None:
    """What a text claims, in its order; None when any of it is not understood."""
    found = re.findall(r"[a-z0-9]+|[.,:;!?]", text.lower())
    # Each word ends in a space, so that no pattern ends within one.
    rest = "".join(f"{x if x.isalnum() else ';'} " for x in found)
    claims: list[Claim] = []
    while rest:
        for kind, pattern in _STATEMENTS:
            if match := pattern.match(rest):
                claims.append(Claim(kind, match["what"], match.groupdict().get("place")))
                rest = rest[match.end() :]
                break
        else:
            return None
    return tuple(claims)


def row(word: Word) -> str:
    """The row that a rendered word stands in."""
    return min(ROWS, key=lambda name: abs(PLACES[name][1] - (word.y + 20)))


def _shorter(rng: Rng, scene: Scene) -> str:
    draw = rng.random()
    if scene.words and draw < 0.35:
        return f"{_written(rng, scene.words[0])}."
    if draw > 0.95 or not scene.things:
        return f"a {scene.colour} background."
    count = int(rng.integers(1, len(scene.things) + 1))
    things = [scene.things[i] for i in rng.permutation(len(scene.things))[:count]]
    bare = count == len(scene.things) or rng.random() < 0.4
    said = [a(t.noun) if bare else f"{a(t.noun)} at the {t.place}" for t in things]
    text = f"{_pick(rng, (*OPENINGS, 'a picture of '))}{' and '.join(said)}"
    if rng.random() < 0.3:
        text += _ground(scene)
    if scene.words and rng.random() < 0.3:
        text += f" and {_written(rng, scene.words[0])}"
    return f"{text}."


def _ground(scene: Scene) -> str:
    return f" on a {scene.colour} background"


def _written(rng: Rng, word: Word) -> str:
    forms = (
        f"the word {word.text} is written at the {row(word)}",
        f"the word {word.text} is written",
        f"the text says {word.text}",
    )
    return _pick(rng, forms)


def _pick(rng: Rng, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _statement(core: str) -> re.Pattern[str]:
    """A claim with what may stand before and after it."""
    before = (
        r"(?:(?:and|there (?:is|are)|(?:i|you) (?:can )?see|(?:the|this|a) picture (?:shows|of)"
        r"|it shows|in the picture|;) )*"
    )
    return re.compile(rf"{before}{core}(?:in the picture )?(?:; )*")


_ARTICLE: Final = r"(?:(?:an?|the|one) )?"
_AT: Final = rf"(?:at|on|in|to) the (?P<place>{'|'.join(PLACES)}) "
_NOUN: Final = rf"(?P<what>{'|'.join(NOUNS)}) "
_COLOUR: Final = rf"(?P<what>{'|'.join(COLOURS)}) "
_VERB: Final = r"(?:(?:there is|is|stands|(?:i|you) (?:can )?see) )?"
_STATEMENTS: Final[tuple[tuple[Literal["thing", "colour", "word"], re.Pattern[str]], ...]] = (
    ("thing", _statement(rf"{_ARTICLE}{_NOUN}(?:(?:(?:is|stands) )?{_AT})?")),
    ("thing", _statement(rf"{_AT}(?:; )?{_VERB}{_ARTICLE}{_NOUN}")),
    ("thing", _statement(rf"(?P<what>{NOTHING}) ")),
    ("colour", _statement(rf"(?:(?:on|with|before) )?(?:an?|the) {_COLOUR}background ")),
    ("colour", _statement(rf"(?:the colour of )?the background is {_COLOUR}")),
    ("word", _statement(rf"the word (?P<what>[a-z]+) (?:is )?(?:written )?(?:{_AT})?")),
    ("word", _statement(rf"the text (?:{_AT})?(?:says|is) (?P<what>[a-z]+) ")),
)
