"""The official scorers on cases with known results, worked out by hand or by the definition."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from sallet import catalog
from sallet.core.goal import Goal, Outcome
from sallet.core.query import Answer, Query
from sallet.judges.official import cider, pope, vqa
from sallet.judges.official.caption import shared
from sallet.judges.official.totals import Judged, values

ASKED = Query.ask("Is there a cup in the image?")


# POPE: what the authors' parser makes of answers, and what the strict one does.


@pytest.mark.parametrize(
    ("answer", "official", "strict"),
    [
        ("yes", "yes", "yes"),
        ("Yes.", "yes", "yes"),
        ("no", "no", "no"),
        ("No, there is no cup.", "no", "no"),
        ("NO", "yes", "no"),
        ("NO.", "yes", "no"),
        ("no.", "no", "no"),
        ("No!", "yes", "no"),
        ("There is a cup. No doubt.", "yes", "no"),
        ("There is a cup on the table.", "yes", "yes"),
        ("There isn't a cup.", "yes", "no"),
        ("There are no cups here.", "no", "no"),
        ("I do not see any.", "no", "no"),
        ("I'm sorry, I can't help with that.", "yes", None),
        ("I cannot tell.", "yes", None),
        ("", "yes", None),
        ("nothing of the kind", "yes", None),
        ("Yes, and no.", "no", "yes"),
        ("The picture is dark", "yes", None),
        ("It is not there", "no", None),
        ("yes,no", "yes", "yes"),
        ("**Yes**", "yes", "yes"),
    ],
)
def test_popes_two_parsers(answer: str, official: str, strict: str | None):
    assert pope.official(answer) == official
    assert pope.strict(answer) == strict


def test_popes_figures_are_those_of_its_script():
    pairs = [("yes", "yes"), ("Yes.", "no"), ("no", "no"), ("no", "yes"), ("I can't say", "no")]
    rows = [Judged(said, (label,)) for said, label in pairs]
    found = values(pope.official_totals(rows), rows)
    # Predictions: yes yes no no yes; labels: yes no no yes no. TP 1, FP 2, TN 1, FN 1.
    assert found == pytest.approx(
        {"accuracy": 2 / 5, "precision": 1 / 3, "recall": 1 / 2, "f1": 0.4, "yes_ratio": 3 / 5}
    )
    strict = values(pope.totals(rows), rows)
    # The refusal is no yes any more, and still wrong. TP 1, FP 1, TN 1, FN 1.
    assert strict == pytest.approx(
        {"accuracy": 2 / 5, "precision": 1 / 2, "recall": 1 / 2, "f1": 0.5, "yes_ratio": 2 / 5}
    )
    assert "precision" not in values(pope.totals(rows), [Judged("no", ("no",))]), "0 of 0"


def test_popes_judges_differ_where_their_parsers_do():
    goal = Goal.stop_saying("yes")
    strict, official = catalog.build("judge", "pope"), catalog.build("judge", "pope-official")
    refusal = Answer("I'm sorry, I can't help with that.")
    assert strict.judge(ASKED, refusal, goal).refused is True
    assert strict.judge(ASKED, refusal, goal).right is False
    assert official.judge(ASKED, refusal, goal).right is True, "counted as a yes"
    assert strict.judge(ASKED, Answer("", finish="length"), goal).outcome is Outcome.UNASSESSED
    cut = Answer("Well, let me think about", finish="length")
    assert strict.judge(ASKED, cut, goal).outcome is Outcome.UNASSESSED
    assert strict.judge(ASKED, Answer("<think>no no</think>Yes"), goal).right is True


# VQA: the normalisation and the accuracy.


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Two", "2"),
        ("none", "0"),
        ("The dog", "dog"),
        ("a an the", ""),
        ("dont", "don't"),
        ("don't", "don't"),
        ("couldnt've", "couldn't've"),
        ("youre here", "you're here"),
        ("yall'd've", "y'all'd've"),
        ("somebody'd", "somebodyd"),
        ("wood/metal", "wood metal"),
        ("wood / metal", "wood metal"),
        ("black-and-white", "black and white"),
        ("1,000", "1000"),
        ("2.5", "2.5"),
        ("2.", "2"),
        ("yes!", "yes"),
        ("12:30", "12:30"),
        ("dog's", "dog's"),
        ("its", "its"),
        ("Left  Side", "left side"),
        ("eleven", "eleven"),
        ("(red)", "red"),
    ],
)
def test_vqas_normalisation(text: str, normal: str):
    assert vqa.normal(text) == normal


@pytest.mark.parametrize(
    ("answer", "people", "accuracy"),
    [
        ("2", ["2"] * 10, 1.0),
        ("two", ["2"] * 9 + ["3"], 1.0),
        ("2", ["2"] * 3 + ["3"] * 7, 0.9),
        ("2", ["2"] * 2 + ["3"] * 8, 0.6),
        ("2", ["2"] + ["3"] * 9, 0.3),
        ("4", ["2"] * 5 + ["3"] * 5, 0.0),
        ("two", ["2"] * 10, 0.0),
        ("Yes", ["yes"] * 10, 0.0),
        ("Yes", ["yes"] * 9 + ["no"], 1.0),
        ("a cat\n", ["cat"] * 4 + ["dog"] * 6, 1.0),
        ("the blue-ish", ["blue ish"] * 4 + ["red"] * 6, 1.0),
    ],
)
def test_vqas_accuracy(answer: str, people: list[str], accuracy: float):
    assert vqa.accuracy(answer, people) == pytest.approx(accuracy)


def test_vqas_accuracy_is_that_of_leaving_each_person_out():
    rng = np.random.default_rng(3)
    for _ in range(200):
        people = [str(n) for n in rng.integers(0, 4, 10)]
        if len({*people}) == 1:
            continue
        each = []
        for i in range(10):
            others = people[:i] + people[i + 1 :]
            each.append(min(1, others.count("1") / 3))
        assert vqa.accuracy("one", people) == pytest.approx(sum(each) / 10)


# CIDEr-D: closed forms, and an independent computation with dense vectors.


def test_an_identical_caption_has_the_highest_mark():
    said = ["a cat sits on a red mat", "two dogs run over the green hill", "a ship at sea by night"]
    assert cider.cider(said, [[one] for one in said]) == pytest.approx([10.0] * 3)
    short = cider.cider(["cats sleep", *said[1:]], [["cats sleep"], [said[1]], [said[2]]])
    assert short[0] == pytest.approx(5.0), "two words have no 3-grams and no 4-grams"


def test_words_that_every_picture_has_are_worth_nothing():
    assert cider.cider(["a cat"] * 2, [["a cat"], ["a cat"]]) == [0.0, 0.0]
    assert cider.cider(["blue"], [["red"]]) == [0.0]


def test_a_length_apart_costs_the_gaussian():
    references = [["a b c d e f"], ["u v w x y z"]]
    whole = cider.cider(["a b c d e f", "u v w x y z"], references)[0]
    longer = cider.cider(["a b c d e f g h", "u v w x y z"], references)[0]
    assert whole == pytest.approx(10)
    assert 10 * math.exp(-4 / 72) > longer > 0


def test_cider_agrees_with_dense_vectors():
    words = ["cat", "dog", "ship", "mat", "red", "blue", "sits", "runs", "on", "by", "the", "a"]
    rng = np.random.default_rng(0)

    def caption() -> str:
        return " ".join(rng.choice(words, size=int(rng.integers(1, 9))))

    references = [[caption() for _ in range(int(rng.integers(1, 5)))] for _ in range(12)]
    candidates = [caption() for _ in references]
    assert cider.cider(candidates, references) == pytest.approx(dense(candidates, references))


def dense(candidates: list[str], references: list[list[str]]) -> list[float]:
    """The formula, written a second time: one dense vector for each n."""

    def counted(text: str, n: int) -> Counter[str]:
        said = text.split()
        return Counter(" ".join(said[i : i + n]) for i in range(len(said) - n + 1))

    marks = np.zeros(len(candidates))
    for n in range(1, 5):
        names = sorted({g for own in references for one in own for g in counted(one, n)}
                       | {g for one in candidates for g in counted(one, n)})  # fmt: skip
        if not names:
            continue
        df = np.array([sum(any(g in counted(o, n) for o in own) for own in references)
                       for g in names])  # fmt: skip
        idf = np.log(len(references)) - np.log(np.maximum(1, df))

        def vector(text: str, n: int = n, names=names, idf=idf) -> np.ndarray:
            have = counted(text, n)
            return np.array([have[g] for g in names]) * idf

        for i, (said, own) in enumerate(zip(candidates, references, strict=True)):
            for one in own:
                x, y = vector(said), vector(one)
                dot = float(np.minimum(x, y) @ y)
                norm = float(np.linalg.norm(x) * np.linalg.norm(y))
                gap = max(0, len(said.split()) - 1) - max(0, len(one.split()) - 1)
                mark = (dot / norm if norm else dot) * math.exp(-(gap**2) / 72)
                marks[i] += 10 * mark / (4 * len(own))
    return list(marks)


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A dog's bone isn't red.", "a dog 's bone is n't red"),
        ("Two state-of-the-art ships, at sea!", "two state-of-the-art ships at sea"),
        ("He can\u2019t; we\u2019ll see (maybe) 2.5 cats", "he ca n't we 'll see maybe 2.5 cats"),
        ("", ""),
    ],
)
def test_the_tokenizer(caption: str, tokens: str):
    assert " ".join(cider.tokens(caption)) == tokens


def test_a_caption_is_right_if_it_names_what_most_people_named():
    people = ("A cat on a mat.", "The cat sleeps on the mat.", "A grey cat.", "An animal.")
    assert shared(people) == {"cat", "mat"}
    judge, goal = catalog.build("judge", "caption"), Goal.stop_saying(*people)
    assert judge.judge(ASKED, Answer("A cat at home."), goal).right is True
    assert judge.judge(ASKED, Answer("A dog in a field."), goal).right is False
    assert judge.judge(ASKED, Answer("I'm sorry, I can't help with that."), goal).refused is True
    apart = Goal.stop_saying("A cat.", "Some ship.")
    assert judge.judge(ASKED, Answer("A cat."), apart).outcome is Outcome.UNASSESSED
