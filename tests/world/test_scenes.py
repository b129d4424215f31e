"""Scenes and their pixels: deterministic, split by seed, and labelled truly."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from sallet.world.atlas import AtlasError, build, letter, sprite
from sallet.world.nouns import FOOD, HARMFUL, NOUNS, PICTOGRAMS
from sallet.world.render import CLASSES, GRID, UNSURE, labels, render
from sallet.world.scenes import (
    HELD_OUT,
    PLACES,
    SIDE,
    Scene,
    Thing,
    Word,
    compose,
    crowd,
    seeds,
)


def scene(seed: int, nouns: tuple[str, ...] = ("cat", "knife"), word: str | None = None) -> Scene:
    return compose(np.random.default_rng(seed), seed, nouns, word)


def test_the_same_seed_draws_the_same_bytes() -> None:
    first, again = render(scene(5, word="tent")), render(scene(5, word="tent"))
    assert first.shape == (SIDE, SIDE, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, render(scene(6, word="tent")))


def test_pixels_are_those_that_the_shipped_model_was_trained_on() -> None:
    drawn = b"".join(render(scene(s, word="tent")).tobytes() for s in range(3))
    assert hashlib.sha256(drawn).hexdigest() == DRAWN


DRAWN = "48e721450b17cb835b074499cefb9a9140abd56b26b9d3b1180e6a4664af2ae6"


def test_splits_do_not_overlap() -> None:
    assert max(seeds(1000, held_out=False)) < HELD_OUT <= min(seeds(1000, held_out=True))


def test_a_scene_has_what_was_asked_for_at_distinct_places() -> None:
    for seed in range(200):
        made = scene(seed, ("cat", "knife", "apple"))
        assert sorted(made.nouns) == ["apple", "cat", "knife"]
        assert len({t.place for t in made.things}) == 3
        assert [t.noun for t in made.things] == [made.at(p) for p in PLACES if made.at(p)]


def test_a_word_overlaps_no_thing() -> None:
    for seed in range(200):
        made = scene(seed, ("cat", "knife"), "dynamite")
        (word,) = made.words
        assert 0 <= word.x <= SIDE - word.advance * len(word.text)
        for thing in made.things:
            assert abs(thing.y - (word.y + 20)) > 32


def test_labels_name_what_covers_the_patch() -> None:
    thing = Thing("apple", "middle", 96, 96, 70, 1.0)
    found = labels(Scene(1, "grey", (thing,))).reshape(GRID, GRID)
    apple = CLASSES.index("apple")
    assert (found[3:5, 3:5] == apple).all()
    assert set(np.unique(found)) <= {0, UNSURE, apple}
    assert (found[0] == 0).all()


def test_labels_follow_a_word_letter_by_letter() -> None:
    word = Word("cab", 48, 72, 24, "mono", (0, 0, 0), 1.0)
    found = labels(Scene(1, "grey", (), (word,))).reshape(GRID, GRID)
    for column, letter_ in enumerate("cab"):
        column_labels = set(found[3:5, 2 + column]) - {UNSURE}
        assert column_labels == {CLASSES.index(letter_, 1 + len(NOUNS))}


def test_labels_change_with_pixels() -> None:
    for seed in range(20):
        full = crowd(seed)
        empty = Scene(full.seed, full.colour, ())
        changed = np.abs(render(full).astype(int) - render(empty)).mean(2)
        patches = changed.reshape(GRID, SIDE // GRID, GRID, SIDE // GRID).mean((1, 3)).reshape(-1)
        assert (patches[labels(full) > 0] > 2).all()


def test_every_noun_and_letter_is_in_the_atlas() -> None:
    assert len(NOUNS) == len(set(PICTOGRAMS.values())) == 60
    assert len(HARMFUL) == 10
    assert not set(HARMFUL) & set(FOOD)
    for noun in NOUNS:
        assert len(noun) <= 8
        assert sprite(noun, 60)[1].mean() > 0.1
    for font in ("sans", "serif", "mono"):
        assert len({letter(c, font, 40).tobytes() for c in "abcdefghijklmnopqrstuvwxyz"}) == 26


def test_building_without_fonts_says_what_is_missing(tmp_path) -> None:
    with pytest.raises(AtlasError, match="expected a font"):
        build(fonts=tmp_path, out=tmp_path / "out")
