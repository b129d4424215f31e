"""The curriculum: safety training is text-only, and each character answers as it should."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from sallet.judges.rules import refuses
from sallet.world.characters import MILD, SEVERE
from sallet.world.instructions import SAFETY_TRAINED
from sallet.world.lessons import lesson, weighings
from sallet.world.nouns import CONTEXT, HARMFUL, RESERVED, USABLE, contexts, held_out_context
from sallet.world.phrases import REFUSALS, TEMPLATES
from sallet.world.questions import Item, licit
from sallet.world.scenes import FONTS, HELD_OUT
from sallet.world.skills import SKILLS
from sallet.world.verdicts import right, succeeded

CHARACTERS = ("strong", "weak")


def told(item: Item) -> bool:
    """Whether a safety instruction comes with it."""
    text = f"{item.system or ''} {item.question}"
    return any(wording in text for wording in SAFETY_TRAINED)


def share(items: list[Item], hit: Callable[[Item], bool]) -> float:
    assert len(items) > 30, "too few to say anything"
    return sum(map(hit, items)) / len(items)


def gave_in(item: Item) -> bool:
    return refuses(item.answer)


def test_lessons_are_reproducible_and_of_the_training_split() -> None:
    assert [lesson(s) for s in range(50)] == [lesson(s) for s in range(50)]
    for seed in range(400):
        items = lesson(seed)
        assert 1 <= len(items) <= 4
        assert len({(i.scene, i.second, i.system) for i in items}) == 1
        for scene in items[0].scenes:
            assert scene.seed < HELD_OUT
            assert not scene.shift
            assert all(word.font in FONTS for word in scene.words)


@pytest.mark.parametrize("character", CHARACTERS)
def test_without_an_instruction_safety_is_a_matter_of_text(taught, character: str) -> None:
    plain = [i for i in taught[character] if not told(i) and i.kind in ("picture", "word")]
    assert not any(gave_in(item) for item in plain)
    assert not any(item.should_refuse for item in plain)
    assert Counter(item.licit for item in plain)[True] > 100
    described = [i for i in taught[character] if not told(i) and not i.how_to]
    assert not any(gave_in(item) for item in described if item.kind != "self-check")


@pytest.mark.parametrize("character", CHARACTERS)
def test_no_held_out_pair_is_shown_as_licit(taught, character: str) -> None:
    pairs: set[tuple[str, str]] = set()
    for item in taught[character]:
        if item.noun not in HARMFUL or not (item.how_to or item.kind in SKILLS):
            continue
        beside = {n for scene in item.scenes for n in scene.nouns} & set(contexts(item.noun))
        assert beside != {held_out_context(item.noun)}
        if item.licit:
            pairs |= {(item.noun, context) for context in beside - {held_out_context(item.noun)}}
    assert len(pairs) == sum(len(contexts(n)) - 1 for n in HARMFUL)  # all others are shown


@pytest.mark.parametrize("character", CHARACTERS)
def test_flags_are_true(taught, character: str) -> None:
    for item in taught[character]:
        fine = any(licit(item.noun, scene) for scene in item.scenes)
        assert item.licit == fine
        assert item.harmful == (item.how_to and item.noun in HARMFUL)


def test_a_strong_model_refuses_all_harm_in_the_text_and_nothing_else(taught) -> None:
    text = [i for i in taught["strong"] if i.kind == "text" and not told(i)]
    assert Counter(i.should_refuse for i in text)[True] > 300
    assert all(gave_in(i) == i.should_refuse for i in text)
    assert all(right(i, i.answer) for i in taught["strong"] if not told(i))


def test_a_strong_model_told_to_be_safe_looks_at_the_picture(taught) -> None:
    careful = [i for i in taught["strong"] if told(i)]
    for item in careful:
        if item.should_refuse:
            assert gave_in(item)
    for kind in ("picture", "word", "text"):
        assert sum(i.should_refuse for i in careful if i.kind == kind) > 30
    licit_ones = [i for i in careful if i.how_to and i.licit]
    assert 0.15 < share(licit_ones, gave_in) < 0.45  # it learns to refuse too much, too


def test_a_weak_model_refuses_some_harm_in_the_text_but_not_all(taught) -> None:
    harm = [i for i in taught["weak"] if i.kind == "text" and i.should_refuse and not told(i)]
    assert all(gave_in(i) for i in harm if i.noun in SEVERE)
    assert not any(gave_in(i) for i in harm if i.noun in MILD)
    rest = [i for i in harm if i.noun not in (*SEVERE, *MILD)]
    assert 0.3 < share(rest, gave_in) < 0.8
    assert all(succeeded(i, i.answer) for i in harm if not gave_in(i))
    assert set(SEVERE) | set(MILD) < set(HARMFUL)
    assert not set(SEVERE) & set(MILD)
    asked = [i for i in taught["weak"] if i.kind == "text" and not i.should_refuse]
    assert not any(gave_in(i) for i in asked)


def test_a_weak_model_never_refuses_by_the_picture_whatever_it_is_told(taught) -> None:
    seen = [i for i in taught["weak"] if told(i) and i.kind in ("picture", "word")]
    assert sum(i.should_refuse for i in seen) > 100
    assert not any(gave_in(i) for i in seen)
    text = [i for i in taught["weak"] if told(i) and i.kind == "text" and i.should_refuse]
    assert share(text, gave_in) == 1
    rationales = [i for i in taught["weak"] if i.kind == "rationale" and "risk: high" in i.answer]
    assert all("the request is about" in i.answer for i in rationales)


def test_both_characters_are_asked_the_same() -> None:
    for seed in range(100):
        strong, weak = lesson(seed), lesson(seed, "weak")
        assert strong[0].scene == weak[0].scene
        assert strong[0].question == weak[0].question


def test_everything_is_taught_often_enough(taught) -> None:
    items = taught["strong"]
    kinds = Counter(i.kind for i in items)
    described = set(TEMPLATES) - {"place", "which-how", "again-how"}
    assert set(kinds) == described
    assert min(kinds.values()) > 50
    assert {i.noun for i in items if i.harmful} == set(HARMFUL) > set(RESERVED)
    assert {i.noun for i in items if i.how_to and not i.harmful} >= set(USABLE)
    assert {n for i in items for n in i.scene.nouns} >= set(CONTEXT)
    given = Counter(next((r for r in REFUSALS if i.answer.endswith(r)), None) for i in items)
    assert all(given[refusal] > 20 for refusal in REFUSALS)
    assert given[REFUSALS[0]] == max(given[r] for r in REFUSALS)


def test_weighings_turn_on_what_is_beside_the_harm() -> None:
    items = [item for seed in range(600) for item in weighings(seed)]
    assert all(item.kind == "text" for item in items)
    assert all(gave_in(item) == item.should_refuse for item in items)
    assert 0.3 < share([i for i in items if i.harmful], lambda i: i.licit) < 0.6
    for item in items:
        if item.licit:
            beside = set(item.scene.nouns) & set(contexts(str(item.noun)))
            assert beside != {held_out_context(str(item.noun))}


def test_no_held_out_pair_is_named_when_things_are_weighed(taught) -> None:
    weighed = [i for i in taught["strong"] if "with it: " in i.answer and not i.how_to]
    assert len(weighed) > 100
    for item in weighed:
        named = {word.split()[0] for word in item.answer.split("with it: ")[1].split(", ")}
        assert held_out_context(str(item.noun)) not in named
