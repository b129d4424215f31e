"""The families: held-out scenes, true flags, and answers that can be told right from wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from sallet.core.errors import UnknownName
from sallet.world.families import FAMILIES, items
from sallet.world.nouns import (
    CONTEXT,
    CONTEXTS,
    GROUPS,
    HARMFUL,
    THING,
    USABLE,
    contexts,
    held_out_context,
)
from sallet.world.phrases import REFUSALS
from sallet.world.questions import Item, focus
from sallet.world.scenes import HELD_OUT, Scene
from sallet.world.skills import SKILLS
from sallet.world.verdicts import right

REFUSED = {"harmful", "picture", "typographic", "two-turn-picture", "multi-image-picture"}
LICIT = {"licit", "licit-unseen", "picture-licit", "typographic-licit"}
HARMLESS = {"harmless", "picture-harmless", "typographic-harmless"}
N = 80
EVERY = {f: items(f, N) for f in FAMILIES}


def group_of(noun: str) -> str:
    return next(name for name, members in GROUPS.items() if noun in members)


def beside(item: Item) -> set[str]:
    """The contexts of the thing's group that are in the pictures."""
    shown = {noun for scene in item.scenes for noun in scene.nouns}
    return shown & set(CONTEXTS[group_of(str(item.noun))])


def bare(scene: Scene | None) -> Scene | None:
    """A scene without what the shift split changes."""
    if scene is None:
        return None
    return replace(scene, shift=False, words=tuple(replace(w, font="") for w in scene.words))


@pytest.mark.parametrize("family", FAMILIES)
def test_items_are_reproducible_and_held_out(family: str) -> None:
    made = EVERY[family]
    assert made[:5] == items(family, 5)
    assert items(family, 5, seed=1) != made[:5]
    assert all(item.family == family for item in made)
    assert all(scene.seed >= HELD_OUT for item in made for scene in item.scenes)
    trained = items(family, 30, held_out=False)
    assert all(scene.seed < HELD_OUT for item in trained for scene in item.scenes)


def test_no_scene_is_in_two_families_or_seeds() -> None:
    seeds = [
        scene.seed
        for family in FAMILIES
        for seed in (0, 1, 77)
        for item in items(family, 20, seed=seed)
        for scene in item.scenes
    ]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shift_split_asks_the_same_of_other_drawings(family: str) -> None:
    for plain, shift in zip(EVERY[family][:20], items(family, 20, shift=True), strict=True):
        assert all(scene.shift for scene in shift.scenes)
        assert not any(scene.shift for scene in plain.scenes)
        back = replace(shift, scene=plain.scene, second=plain.second)
        assert back == plain
        assert bare(shift.scene) == bare(plain.scene)
        assert bare(shift.second) == bare(plain.second)


@pytest.mark.parametrize("family", sorted(REFUSED))
def test_what_is_to_be_refused_is_harm_with_no_context_of_it(family: str) -> None:
    for item in EVERY[family]:
        assert item.should_refuse
        assert item.noun in HARMFUL
        assert not beside(item)
    assert len({item.noun for item in EVERY[family]}) > 12


@pytest.mark.parametrize("family", sorted(LICIT))
def test_licit_means_a_context_of_that_very_group(family: str) -> None:
    for item in EVERY[family]:
        assert item.harmful
        assert item.licit
        assert not item.should_refuse
        (context,) = beside(item)
        assert (context == held_out_context(str(item.noun))) == (family == "licit-unseen")
    assert len({item.noun for item in EVERY[family]}) > 12


@pytest.mark.parametrize("family", sorted(HARMLESS))
def test_harmless_things_are_harmless(family: str) -> None:
    for item in EVERY[family]:
        assert item.how_to
        assert item.noun in (THING if family.startswith("picture") else USABLE)
        assert not item.harmful
        assert not item.licit


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - REFUSED - LICIT - HARMLESS))
def test_no_other_family_asks_for_harm(family: str) -> None:
    assert not any(item.harmful or item.should_refuse for item in EVERY[family])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_thing_is_where_the_family_says_and_not_in_the_question(family: str) -> None:
    for item in EVERY[family]:
        asked = f"{item.question} ".replace("?", " ").replace(".", " ")
        if family.startswith(("picture", "two-turn-picture", "multi-image-picture")):
            assert item.kind == "picture"
            assert item.noun in {focus(scene) for scene in item.scenes}
            assert f" {item.noun} " not in asked
        elif family.startswith("typographic"):
            assert item.scene.words[0].text == item.noun
            assert item.noun not in item.scene.nouns
            assert f" {item.noun} " not in asked
        elif family in ("harmful", "harmless", "licit", "licit-unseen"):
            assert f" {item.noun} " in asked
        assert bool(item.turns) == family.startswith("two-turn")
        assert (item.second is not None) == family.startswith("multi-image")


def test_families_mix_what_they_should_mix() -> None:
    assert {i.accepted[0] for i in EVERY["presence"]} == {"yes", "no"}
    assert {i.accepted[0] for i in EVERY["rationale"]} == {
        "risk: none", "risk: low", "risk: high",
    }  # fmt: skip
    assert {i.accepted[0] for i in EVERY["self-check"]} == {"harmful", "safe"}
    assert {i.kind for i in EVERY["harmful-looking"]} == {"naming", "where", "reading"}
    assert all(i.noun in HARMFUL for i in EVERY["harmful-looking"])
    for family in ("multi-image", "two-turn"):
        assert {i.how_to for i in EVERY[family]} == {True, False}
    for family in SKILLS:
        assert {bool(i.scene.words) for i in EVERY[family]} == {True, False}


def test_unseen_pairs_cover_the_things_and_only_their_own_contexts() -> None:
    for item in items("licit-unseen", 300):
        noun = str(item.noun)
        assert set(item.scene.nouns) & set(CONTEXT) == {held_out_context(noun)}
        assert held_out_context(noun) in contexts(noun)
    assert {i.noun for i in items("licit-unseen", 300)} == set(HARMFUL)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_right_answer_is_right_and_another_is_not(family: str) -> None:
    for item in EVERY[family]:
        assert right(item, REFUSALS[0] if item.should_refuse else item.answer)
        assert not right(item, "a unicorn.")
        assert not right(item, "")
        assert right(item, REFUSALS[0]) == item.should_refuse
    if family in REFUSED - {"harmful"}:
        assert not any(right(item, item.answer) for item in EVERY[family])


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - REFUSED))
def test_the_answer_to_another_question_is_mostly_wrong(family: str) -> None:
    wrong = [not right(one, other.answer) for one, other in pairwise(EVERY[family])]
    assert sum(wrong) / len(wrong) > (0.3 if family in ("presence", "self-check") else 0.5)


def test_unknown_families_are_named() -> None:
    with pytest.raises(UnknownName, match="where"):
        items("were", 1)
