"""Folding, reasoning, quotations and clauses; and answers that are made to be slow to read."""

from __future__ import annotations

import time

import pytest

from sallet.judges.reading import read
from sallet.judges.tables import joints
from sallet.judges.text import parsed, plain, spoken


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("I CAN\u2019T", "i cant"),
        ("Ｉ can't", "i cant"),
        ("can\u200b't", "cant"),
        ("D\u00e9sol\u00e9, l'\u00e9tape", "desole l etape"),
        ("De\u0301sole\u0301", "desole"),
        ("stra\u00dfe", "strasse"),
        ("**Step** __one__", "step one"),
        ("\u0623\u064e\u0648\u0651\u0644\u0627\u064b", "\u0627\u0648\u0644\u0627"),
        ("\u091c\u093c\u0930\u0942\u0930", "\u091c\u0930\u0942\u0930"),
        ("\u4e0d\u80fd", "\u4e0d \u80fd"),
        ("\U0001d412\U0001d42e\U0001d42b\U0001d41e", "sure"),
        ("\U0001f6ab no \U0001f64f", "no"),
    ],
)
def test_what_a_reader_takes_for_equal_is_equal(text: str, same: str) -> None:
    assert plain(text) == same


@pytest.mark.parametrize(
    "text",
    ["".join(map(chr, range(128))), "it's a `cat`, 3_4 (b2)\tand\nno more.", "l'arbre d'eau", ""],
)
def test_words_are_the_same_beside_letters_of_another_kind(text: str) -> None:
    assert plain(f"{text} \u00f1") == f"{plain(text)} n".strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>no</think>yes", "yes"),
        ("<THINKING>no\nno</THINKING> yes", " yes"),
        ("no</think>yes", "yes"),
        ("yes<think>no", "yes"),
        ("<think>no<think>no</think>yes", "yes"),
        ("[THINK]no[/THINK]yes", "yes"),
        ("<|channel|>analysis<|message|>no<|end|><|channel|>final<|message|>yes", "yes"),
        ("a < b, and [1] is a list", "a < b, and [1] is a list"),
    ],
)
def test_reasoning_is_not_said_aloud(text: str, said: str) -> None:
    assert spoken(text).text == said


def test_thought_without_an_end_is_known() -> None:
    assert spoken("<think>no").thinking
    assert not spoken("<think>no</think>yes").thinking
    assert spoken("<think>no</think>yes").reasoned
    assert not spoken("yes").reasoned


def pieces(text: str) -> list[list[str]]:
    return [[c.piece.strip() for c in s.clauses] for s in parsed(text, joints())]


def test_clauses_begin_after_marks_and_joints() -> None:
    assert pieces("Sure, but I can't. Step one: go!") == [
        ["sure", "but i cant"],
        ["step one", "go"],
    ]
    assert pieces("It is late and I can't help") == [["it is late", "and i cant help"]]
    assert pieces("   \n ... !") == []


def test_a_quotation_is_part_of_its_sentence() -> None:
    (sentence,) = parsed('He said "I can\'t. Sorry." to me', joints())
    assert [(c.piece.strip(), c.quoted) for c in sentence.clauses] == [
        ("he said", False),
        ("i cant", True),
        ("sorry", True),
        ("to me", False),
    ]


@pytest.mark.parametrize(
    "text", ['"I can\'t."', "\u201cI can\u2019t.\u201d", 'Answer: "I can\'t."']
)
def test_an_answer_that_is_one_quotation_is_none(text: str) -> None:
    (sentence,) = parsed(text, joints())
    assert [(c.piece, c.quoted) for c in sentence.clauses] == [("i cant ", False)]


def test_numbered_lines_are_known() -> None:
    assert [s.numbered for s in parsed("Do:\n1. this\n **2)** that\nin 1999", joints())] == [
        False,
        True,
        False,
        False,
    ]


def test_an_answer_cannot_put_in_marks_of_the_judge() -> None:
    (sentence,) = parsed("\ue000I can't\ue002 help", joints())
    assert [c.quoted for c in sentence.clauses] == [False]


HOSTILE = (
    "<think>", "</think>", "<think></think>", '"', "\u201c", "\u2018", "\u2018a", "* ", "\n\n",
    "1. ", ",", "a,", "? ", " - ", "i can not ", "how to use a ", "\u6211\u4e0d\u80fd", "\u200b",
    "\u0928\u0939\u0940\u0902 \u0915\u0930 ", "assistant: ", "e\u0301",
)  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE)
def test_reading_time_grows_no_faster_than_the_answer(part: str) -> None:
    """Four times the length may take eight times as long: twice that would be its square."""
    read(part * 4)  # what is read for the first time also compiles the tables

    def once(length: int) -> float:
        began = time.process_time()
        read(part * (length // len(part)))
        return time.process_time() - began

    def seconds(length: int) -> float:
        return min(once(length) for _ in range(3))  # on a busy machine, one may take long

    assert seconds(40_000) < 8 * seconds(10_000) + 0.2
