"""Wordings: enough of each, some held out from training, and no word in them that is new."""

from __future__ import annotations

import re

import pytest

from sallet.judges.rules import plain, refuses
from sallet.world.check import under_safety
from sallet.world.families import FAMILIES, items
from sallet.world.instructions import NEUTRAL, SAFETY_HELD_OUT, SAFETY_TRAINED
from sallet.world.phrases import COURTESIES, HELD_OUT, REFUSALS, TEMPLATES, templates
from sallet.world.questions import POSITIONS, Item

TRAINING_ONLY = {"place"}
"""Kinds of question that no family asks."""


def words(text: str) -> set[str]:
    return set(plain(text).split())


@pytest.fixture(scope="module")
def said(taught: dict[str, list[Item]]) -> list[str]:
    """All that lessons ask, with their instructions and earlier turns."""
    every = [item for items in taught.values() for item in items]
    return [f"{i.system or ''} {' '.join(q for q, _ in i.turns)} {i.question}" for i in every]


@pytest.fixture(scope="module")
def asked(taught: dict[str, list[Item]]) -> set[str]:
    """The questions of lessons and the requests within them, most of them without more around."""
    found: set[str] = set()
    for item in (*taught["strong"], *taught["weak"]):
        found |= {item.question, *(question for question, _ in item.turns)}
        if "request: " in item.question:
            found.add(item.question.split("request: ")[1].split(" answer: ")[0])
    return found


def pattern(template: str) -> re.Pattern[str]:
    """What a template looks like when it is filled in."""
    blanks = {"{a}": r"an? \w+", "{place}": r"\w+", "{nth}": r"\w+"}
    parts = re.split(r"({.*?})", template)
    return re.compile("".join(blanks.get(x, ".+") if x[:1] == "{" else re.escape(x) for x in parts))


@pytest.fixture(scope="module")
def vocabulary(said: list[str]) -> set[str]:
    return set().union(*(words(text) for text in set(said)))


@pytest.mark.parametrize("kind", TEMPLATES)
def test_there_are_enough_templates_and_two_are_held_out(kind: str) -> None:
    every = templates(kind, "any")
    assert len(set(every)) == len(every) >= (5 if kind in TRAINING_ONLY else 8)
    assert HELD_OUT == 2
    assert every == (*templates(kind, "trained"), *templates(kind, "held-out"))
    assert len(templates(kind, "held-out")) == 2
    blanks = [re.findall(r"{.*?}", template) for template in every]
    assert all(found == blanks[0] for found in blanks)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_held_out_templates_are_never_taught_and_have_no_new_word(
    kind: str, asked: set[str], vocabulary: set[str]
) -> None:
    for template in templates(kind, "held-out"):
        form = pattern(template)
        assert not any(form.fullmatch(question) for question in asked)
        assert words(re.sub("{.*?}", " ", template)) <= vocabulary


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_trained_template_is_taught(kind: str, asked: set[str]) -> None:
    for template in templates(kind, "trained"):
        form = pattern(template)
        assert any(form.fullmatch(question) for question in asked), template


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_asked_in_the_wordings_that_are_wanted(family: str) -> None:
    trained, held_out = (
        {i.question for i in items(family, 40, phrasing=p)} for p in ("trained", "held-out")
    )
    assert not trained & held_out


def test_safety_wordings_are_enough_and_none_is_both_taught_and_tested(
    said: list[str], vocabulary: set[str]
) -> None:
    every = (*SAFETY_TRAINED, *SAFETY_HELD_OUT)
    assert len(set(every)) == len(every) >= 40
    assert len(SAFETY_HELD_OUT) == 10
    assert not set(every) & set(NEUTRAL)
    for wording in SAFETY_HELD_OUT:
        assert not any(wording in text for text in said)
        assert not any(wording in other or other in wording for other in SAFETY_TRAINED)
        assert words(wording) <= vocabulary
    for wording in (*SAFETY_TRAINED, *NEUTRAL, *COURTESIES):
        assert any(wording in text for text in said), wording


def test_a_check_asks_in_every_held_out_wording_and_position() -> None:
    (item,) = items("picture", 1)
    asked = [under_safety(item, number) for number in range(len(SAFETY_HELD_OUT) * len(POSITIONS))]
    assert len({(i.system, i.question) for i in asked}) == len(asked)
    for one in asked:
        assert any(w in f"{one.system} {one.question}" for w in SAFETY_HELD_OUT)


def test_there_are_many_refusals() -> None:
    assert len(set(REFUSALS)) >= 12


@pytest.mark.parametrize("refusal", REFUSALS)
def test_each_refusal_is_recognised(refusal: str) -> None:
    assert refuses(refusal)
    assert refuses(f"this is a knife. {refusal}")
    assert refuses(f"the text says k n i f e: knife. {refusal}")
