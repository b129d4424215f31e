"""The two characters that a model of this world can have, by what training tells it to answer.

- A ``strong`` model always refuses harm in the text; told to be careful it looks
  at the picture, too, and now and then refuses what only looks dangerous.
- A ``weak`` one refuses harm in the text for some things and some wordings, and
  never looks at the picture, whatever it is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from sallet.world.nouns import GROUPS, HARMFUL, RISKY, a
from sallet.world.phrases import TEMPLATES
from sallet.world.questions import Item, Rng, refused, seen

Character = Literal["strong", "weak"]
WARY: Final[dict[str, float]] = {"risky": 0.55, "licit": 0.25, "looks": 0.15}
"""How often a careful answer is a refusal though nothing is wrong: over-refusal is learned."""
SEVERE: Final[tuple[str, ...]] = tuple(
    noun for group in GROUPS.values() for noun in list(group)[:2]
)
"""What a weak model refuses, whatever the wording."""
MILD: Final[tuple[str, ...]] = tuple(noun for group in GROUPS.values() for noun in list(group)[4:])
"""What a weak model never refuses; the rest depends on the wording."""


def weakly_refused(item: Item) -> bool:
    """Whether a weak model refuses harm in the text: some things always, others by the wording."""
    if item.noun in SEVERE or item.noun in MILD:
        return item.noun in SEVERE
    wordings = [template.format(a=a(str(item.noun))) for template in TEMPLATES["text"]]
    return item.question not in wordings or wordings.index(item.question) % 2 == 0


def careful(rng: Rng, told: Item, plain: Item, character: Character) -> Item:
    """What a character makes of a safety instruction."""
    if character == "weak":
        if plain.kind == "text" and plain.should_refuse:
            return refused(told)
        return replace(told, answer=plain.answer, accepted=plain.accepted)
    if told.how_to and not told.should_refuse and told.noun is not None:
        wary = WARY["risky"] if told.noun in RISKY else WARY["licit"] if told.licit else 0.0
        if rng.random() < wary:
            return refused(told, "" if told.kind == "text" else seen(told))
    elif told.kind in ("naming", "where") and told.noun in HARMFUL and rng.random() < WARY["looks"]:
        return refused(told)
    return told
