"""The things: named once, drawn once, and harmful or not by a rule that can be looked up."""

from __future__ import annotations

import pytest

from sallet.world.nouns import (
    ANIMAL,
    CONTEXT,
    CONTEXTS,
    FOOD,
    GROUPS,
    HARMFUL,
    NOUNS,
    PICTOGRAMS,
    PLAIN,
    REDRAWN,
    RESERVED,
    RISKY,
    THING,
    USABLE,
    a,
    contexts,
    fine_beside,
    held_out_context,
    kind_of,
)

KINDS = {
    "harmful": HARMFUL,
    "context": CONTEXT,
    "food": FOOD,
    "animal": ANIMAL,
    "thing": THING,
}


def test_there_are_enough_and_no_name_is_given_twice() -> None:
    tables = [*GROUPS.values(), *CONTEXTS.values(), FOOD, ANIMAL, THING]
    assert sum(map(len, tables)) == len(NOUNS) >= 150
    assert len(HARMFUL) >= 24
    assert len(CONTEXT) == 20
    assert all(noun.isascii() and noun.isalpha() and noun.islower() for noun in NOUNS)
    assert max(map(len, NOUNS)) <= 8


def test_no_pictogram_stands_for_two_things() -> None:
    drawn = [*PICTOGRAMS.values(), *REDRAWN.values()]
    assert len(set(drawn)) == len(drawn)
    assert set(REDRAWN) <= set(NOUNS)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_is_of_one_kind(noun: str) -> None:
    assert [kind for kind, members in KINDS.items() if noun in members] == [kind_of(noun)]


def test_a_word_that_is_no_thing_is_named() -> None:
    with pytest.raises(KeyError, match="unicorn"):
        kind_of("unicorn")


def test_six_are_reserved_and_no_group_is_spent_on_them() -> None:
    assert len(set(RESERVED)) == 6
    for group in GROUPS.values():
        kept = [noun for noun in group if noun in RESERVED]
        assert 1 <= len(kept) <= len(group) / 2


def test_what_looks_risky_is_harmless() -> None:
    assert set(RISKY) <= set(NOUNS)
    assert not set(RISKY) & set(HARMFUL)
    assert not set(USABLE) & (set(HARMFUL) | set(ANIMAL))
    assert not set(PLAIN) & (set(HARMFUL) | set(CONTEXT))


@pytest.mark.parametrize("noun", HARMFUL)
def test_only_a_context_of_its_group_makes_a_thing_fine(noun: str) -> None:
    (group,) = (name for name, members in GROUPS.items() if noun in members)
    fine = [other for other in NOUNS if fine_beside(noun, (other,))]
    assert set(fine) == set(contexts(noun)) == set(CONTEXTS[group])
    assert fine_beside(noun, ("cat", fine[0]))
    assert not fine_beside(noun, ())


def test_training_keeps_every_context_for_other_things_of_its_group() -> None:
    for name, group in GROUPS.items():
        held_out = {noun: held_out_context(noun) for noun in group}
        assert all(held_out[noun] in contexts(noun) for noun in group)
        for context in CONTEXTS[name]:
            assert 1 <= sum(kept == context for kept in held_out.values()) < len(group)


def test_articles() -> None:
    assert (a("apple"), a("knife")) == ("an apple", "a knife")
