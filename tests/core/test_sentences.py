"""Where text is cut, and how far a defence lets an answer go."""

from __future__ import annotations

import random
import time

import pytest

from sallet.core.query import Answer, Usage
from sallet.core.sentences import LEAST, MOST, Sentences, reviewed, sentences

TEXTS = {
    "one": ["no end in sight"],
    "two": ["The first of two sentences.", " And here is the second one"],
    "short ones go with what follows": [
        "1. e.g. a cat. Yes. This is whole now.",
        " And this, too.",
    ],
    "closed by quotes": ['She said "this is the very end."', " Then she went home again."],
    "lines": ["A line without a full stop, long enough\n", "another line that follows it"],
    "without blanks": [
        "这是一个足够长的句子，它有很多字，不会和下一个句子连在一起。！",
        "这是下一句",
    ],
    "a number": ["It costs 3.14 pounds and 2.71 shillings altogether"],
    "blank": ["   "],
}


@pytest.mark.parametrize("name", TEXTS)
def test_sentences_are_the_text(name: str):
    found = sentences("".join(TEXTS[name]))
    assert found == TEXTS[name]


def test_however_a_text_comes_it_has_the_same_sentences():
    rng = random.Random(7)
    whole = " ".join("".join(text) for text in TEXTS.values())
    for number in range(200):
        if number == 100:  # and with marks where there should be none
            whole = "".join(rng.choice("ab .。！?」)\n") for _ in range(3 * MOST))
        cut, found, at = Sentences(), [], 0
        while at < len(whole):
            step = rng.randint(1, 2 * LEAST)
            found += cut.feed(whole[at : at + step])
            at += step
        assert [*found, cut.rest()] == sentences(whole)


@pytest.mark.parametrize("one", [".", "。", ".)", "。」", "x", ". ", "\n"])
def test_a_text_without_end_is_cut_in_time(one: str):
    text = one * 300_000
    began = time.process_time()
    found = sentences(text)
    assert time.process_time() - began < 5
    assert "".join(found) == text
    assert max(map(len, found)) <= MOST


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (
            "nothing of it",
            "The cat sleeps on the mat all day. It dreams of the bad knife. It wakes.",
        ),
        ("bad", "The cat sleeps on the mat all day."),
        ("sleeps", "I can't help with that."),
    ],
)
def test_an_answer_goes_as_far_as_it_is_allowed(bad: str, text: str):
    asked: list[str] = []

    async def allows(so_far: Answer) -> bool:
        asked.append(so_far.text)
        return bad not in so_far.text

    whole = "The cat sleeps on the mat all day. It dreams of the bad knife. It wakes."
    told = reviewed("me", allows, Answer(whole, usage=Usage(3, 4)))
    with pytest.raises(StopIteration) as ended:
        told.send(None)
    answer = ended.value.value
    assert answer.text == text
    assert asked == [whole[: len(one)] for one in asked]
    if bad == "nothing of it":
        assert (answer.refused_by, answer.cut_short) == (None, False)
    else:
        assert answer.refused_by == "defense:me"
        assert answer.cut_short == (bad == "bad")
