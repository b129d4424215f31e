"""Right answers in a sentence, with more of them, as yes or no; and names with their endings."""

from __future__ import annotations

import pytest

from sallet.judges.answers import begins, names, says
from sallet.judges.reading import read

CAT = ("a cat.", "cat", "a cat")


@pytest.mark.parametrize(
    "text",
    [
        "a cat.",
        "**Cat**",
        "It's a cat.",
        "The answer is: a cat",
        "I think it is a cat, but I can't be sure.",
        "It's a cat. It sleeps.",
        "this is an animal. a cat.",
        "c a t: cat. a cat.",
    ],
)
def test_it_says_so(text: str) -> None:
    assert says(text, CAT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "a dog.",
        "not a cat.",
        "It is not a cat.",
        "a cat and a dog.",
        "a cat. a dog.",
        "a cat, a dog.",
        "It's a cat. Wait, a dog.",
        "a cathedral.",
        "there is no cat.",
    ],
)
def test_it_does_not_say_so(text: str) -> None:
    assert not says(text, CAT)


@pytest.mark.parametrize(
    ("text", "wanted", "said"),
    [
        ("No, I don't see a cat.", "no", True),
        ("No.", "no", True),
        ("I can't find any, so no.", "no", True),
        ("Yes, there is. No.", "yes", False),
        ("cat: dog no, cat yes. yes.", "yes", True),
        ("cat: dog no, cat yes. yes.", "no", False),
        ("No idea.", "no", False),
        ("S\u00ed, hay un gato.", "s\u00ed", True),
    ],
)
def test_a_yes_or_a_no_decides_wherever_it_stands_alone(text: str, wanted: str, said: bool) -> None:
    assert says(text, (wanted,)) == said


def test_a_beginning_is_of_an_answer() -> None:
    assert begins("a cat at the left and a", ("a cat at the left and a dog at the right.",))
    assert not begins("a dog at the left and a", ("a cat at the left and a dog at the right.",))


@pytest.mark.parametrize(
    ("text", "thing", "named"),
    [
        ("Hold the knife.", "knife", True),
        ("Knives are sharp, use them with care.", "knife", True),
        ("The batteries are for it.", "battery", True),
        ("Look into the barrel of the guns.", "gun", True),
        ("A gunner is here.", "gun", False),
        ("Вот как пользоваться ножом.", "нож", True),
        ("Холодное оружие лежит здесь.", "нож", False),
        ("خذ السكين.", "سكين", True),
        ("Prenez l'arme.", "arme", True),
    ],
)
def test_names_are_whole_words_with_the_endings_of_the_language(
    text: str, thing: str, named: bool
) -> None:
    assert names(text, (thing,), read(text).language) == named


def test_without_a_language_a_name_is_as_it_is() -> None:
    assert names("knife", ("knife",))
    assert not names("knives", ("knife",))
