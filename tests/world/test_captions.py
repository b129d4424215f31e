"""Captions are true of their scenes, and what is not true of one is told apart."""

from __future__ import annotations

import numpy as np
import pytest

from sallet.world.captions import Claim, every, facts, holds, one, read, row, true_of
from sallet.world.nouns import NOUNS, a
from sallet.world.scenes import PLACES, Scene, Thing, compose

CAT = Thing("cat", "left", 32, 96, 60, 1.0)
APPLE = Thing("apple", "top", 96, 32, 60, 1.0)
PAIR = Scene(1, "red", (CAT, APPLE))


def scenes(count: int) -> list[Scene]:
    made: list[Scene] = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        nouns = rng.choice(NOUNS, seed % 4, replace=False).tolist()
        word = str(rng.choice(NOUNS)) if seed % 3 == 0 else None
        made.append(compose(rng, seed, nouns, word))
    return made


def test_the_plain_caption_comes_first() -> None:
    assert every(PAIR)[0] == "a cat at the left and an apple at the top."
    assert every(Scene(1, "red", ()))[0] == "nothing."
    for scene in scenes(40):
        said = " and ".join(f"{a(t.noun)} at the {t.place}" for t in scene.things)
        assert every(scene)[0] == f"{said or 'nothing'}."


def test_every_caption_is_right_and_there_are_many() -> None:
    for scene in scenes(60):
        captions = every(scene)
        assert len(set(captions)) == len(captions) <= 60
        assert len(captions) >= (8, 8, 20, 60)[len(scene.things)]
        assert all(true_of(scene, text) for text in captions)


def test_five_things_have_few_captions_too() -> None:
    rng = np.random.default_rng(0)
    full = compose(rng, 0, ("cat", "dog", "owl", "tent", "bee"))
    assert 20 < len(every(full)) <= 60
    assert all(true_of(full, text) for text in every(full))


def test_training_captions_are_true_and_of_many_forms() -> None:
    for scene in scenes(60):
        rng = np.random.default_rng([scene.seed, 1])
        texts = {one(rng, scene) for _ in range(40)}
        assert all(holds(scene, text) for text in texts)
        assert every(scene)[0] in texts
        assert len(texts) >= (5, 8, 12, 16)[len(scene.things)]
        if scene.words:
            assert any(Claim("word", scene.words[0].text) in (read(t) or ()) for t in texts)


@pytest.mark.parametrize(
    "text",
    [
        "An apple at the top, and a cat at the left",
        "At the left there is a cat. At the top there is an apple.",
        "cat at the left; apple at the top",
        "the cat is on the left and the apple is at the top in the picture",
        "i can see a cat at the left and an apple at the top. the background is red.",
        "a picture of an apple at the top and a cat at the left with a red background.",
    ],
)
def test_other_wordings_are_right(text: str) -> None:
    assert true_of(PAIR, text)


@pytest.mark.parametrize(
    "text",
    [
        "a cat at the right and an apple at the top.",
        "a cat at the top and an apple at the left.",
        "a dog at the left and an apple at the top.",
        "a unicorn at the left and an apple at the top.",
        "a cat at the left and an apple at the top and a dog at the bottom.",
        "a cat at the left and an apple at the top on a blue background.",
        "a cat at the left and an apple at the top and the text says tent.",
        "there is no cat at the left and an apple at the top.",
        "nothing.",
        "",
        "sorry, i can not help with that.",
    ],
)
def test_what_is_not_true_is_told_apart(text: str) -> None:
    assert not holds(PAIR, text)
    assert not true_of(PAIR, text)


@pytest.mark.parametrize(
    "text",
    [
        "a cat at the left.",
        "a cat and an apple.",
        "a cat at the left and an apple.",
        "a red background.",
    ],
)
def test_true_is_not_yet_complete(text: str) -> None:
    assert holds(PAIR, text)
    assert not true_of(PAIR, text)


def test_saying_a_thing_twice_is_not_right() -> None:
    assert not true_of(PAIR, f"{every(PAIR)[0]} a cat at the left.")
    assert not true_of(PAIR, "a cat at the left and an apple at the top and")


def test_no_caption_is_right_of_another_scene() -> None:
    made = [s for s in scenes(40) if s.things]
    for scene in made:
        for other in made:
            same = [(t.noun, t.place) for t in scene.things] == [
                (t.noun, t.place) for t in other.things
            ]
            assert true_of(scene, every(other)[0]) == same


def test_words_are_claims_of_their_own() -> None:
    for scene in scenes(60):
        for word in scene.words:
            assert row(word) not in {t.place for t in scene.things}
            said = f"the word {word.text} is written at the {row(word)}."
            assert holds(scene, said)
            assert true_of(scene, f"{every(scene)[0]} {said}")
            wrong = next(p for p in PLACES if p != row(word))
            assert not holds(scene, f"the word {word.text} is written at the {wrong}.")
            assert Claim("thing", word.text) not in facts(scene) or word.text in scene.nouns
