"""Words and pixels in turn: each within its own budget, and the best of all turns kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from sallet.attacks.alternate import in_turn
from sallet.attacks.bimodal import Agreeing, Bimodal
from sallet.attacks.joint import Joint
from sallet.attacks.pgd import PGD
from sallet.attacks.target import Target
from sallet.attacks.template import Template, fill, templates
from sallet.core.compose import Nothing
from sallet.core.errors import RecipeError
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.guarded import guarded
from sallet.core.protocols import Enough, Going, Hostile
from sallet.core.query import Query
from tests.attacks.fakes import masked_model
from tests.core.toys import Rewrite, Smooth, Toy, ask


@dataclass(frozen=True)
class Says:
    """Success is an answer in the goal's first name."""

    name: str = "says"

    def judge(self, query, answer, goal):
        said = answer.text == goal.names[0]
        return Verdict(Outcome.SUCCESS if said else Outcome.RESISTED, "says")


JUDGE = Says()
QUERIES = [ask(i, "tell me what colour ?") for i in range(8)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return masked_model(tmp_path_factory.mktemp("bert"))


def wanted(model, kind=Goal.say) -> list[Goal]:
    said = [answer.text for answer in model.answer(QUERIES)]
    others = ["blue" if text != "blue" else "red" for text in said]
    return [kind(text, text) for text in others]


def rate(model, queries, goals) -> float:
    pairs = zip(queries, model.answer(queries), goals, strict=True)
    fell = [JUDGE.judge(q, a, g).outcome is Outcome.SUCCESS for q, a, g in pairs]
    return sum(fell) / len(fell)


def moved(query: Query, hostile: Query) -> int:
    pairs = zip(query.images, hostile.images, strict=True)
    return max(int(np.abs(h.pixels().astype(int) - q.pixels()).max()) for q, h in pairs)


def swapped(query: Query, hostile: Query) -> int:
    pairs = zip(query.user_text.split(), hostile.user_text.split(), strict=True)
    return sum(before != after for before, after in pairs)


def test_joint_keeps_both_budgets_and_beats_its_words(bert: str):
    model = Toy()
    goals = wanted(model)
    attack = Joint(eps=24, steps=20, words=1, masked=bert)
    made = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    hostile = [one.query for one in made]
    assert rate(model, hostile, goals) >= 0.8
    (_, words), *_ = attack.turns
    alone = [h.query for h in words(model, QUERIES, goals, judge=JUDGE, seed=0)]
    assert rate(model, alone, goals) < rate(model, hostile, goals)
    for query, one in zip(QUERIES, made, strict=True):
        assert moved(query, one.query) <= 24
        assert swapped(query, one.query) <= 1
        assert one.query.defense_seed == query.defense_seed
        assert one.asks > 0 < one.looks
        assert one.start is not None
        assert one.end is not None
        assert one.end < one.start


def test_each_turn_begins_from_what_was_sent_at_first():
    """A ball around a ball would be twice the budget, a template in a template two templates."""
    seen: list[tuple[str, list[Query]]] = []

    def watching(side, attack):
        def call(model, queries, goals, **settings):
            seen.append((side, list(queries)))
            return attack(model, queries, goals, **settings)

        return side, call

    model = Toy()
    goals = [replace(goal, names=("never",)) for goal in wanted(model)[:2]]
    pixels, words = PGD(eps=8, steps=2), Template(which="fiction")
    turns = [watching("pixels", pixels), watching("words", words)] * 2
    target = Target(model, JUDGE)
    made = in_turn(turns, target, QUERIES[:2], goals, seed=0, progress=lambda going: None)
    assert [side for side, _ in seen] == ["pixels", "words"] * 2
    framed = [fill(templates()["fiction"], q, g) for q, g in zip(QUERIES, goals, strict=False)]
    assert seen[0][1] == QUERIES[:2]
    assert [q.user_text for q in seen[1][1]] == [q.user_text for q in QUERIES[:2]]
    assert all(moved(q, t) > 0 for q, t in zip(QUERIES, seen[1][1], strict=False))
    assert [q.user_text for q in seen[2][1]] == [f.user_text for f in framed]
    assert all(moved(q, t) == 0 for q, t in zip(QUERIES, seen[2][1], strict=False))
    assert all(one.asks == 4 + sum((2, 1, 2, 1)) for one in made)


def test_a_sample_that_fell_is_left_alone_and_its_turn_is_kept():
    def falls(model, queries, goals, **settings):
        return [Hostile(query.with_text(after="!"), 2.0, 1.0, asks=1, looks=3) for query in queries]

    class First:
        name = "first"

        def judge(self, query, answer, goal):
            won = query.user_text.endswith("!") and goal.text == "blue"
            return Verdict(Outcome.SUCCESS if won else Outcome.RESISTED, "first")

    goals = [Goal.say("blue"), Goal.say("red")]
    told: list[Going] = []
    made = in_turn(
        [("words", falls)] * 3, Target(Toy(), First()), QUERIES[:2], goals,
        seed=0, progress=told.append,
    )  # fmt: skip
    assert [one.looks for one in made] == [3, 9 + 3]  # of three equals each is weighed
    assert [one.asks for one in made] == [2, 6]
    assert made[0].query.user_text.endswith("!")
    assert (made[0].start, made[0].end) == (2.0, 1.0)


def test_of_equals_the_model_says_which_is_better_whatever_the_turns_say_of_themselves():
    """A turn may climb another text's loss: a small number of its own is no better picture."""
    model, goals = Toy(), [replace(goal, names=("never",)) for goal in wanted(Toy())]
    good = PGD(eps=24, steps=10)

    def boasts(model, queries, goals, **settings):
        return [Hostile(query, 0.1, 0.01) for query in queries]

    def modest(model, queries, goals, **settings):
        made = good(model, queries, goals, **settings)
        return [replace(one, start=9.0, end=8.0) for one in made]

    for turns in ([boasts, modest], [modest, boasts]):
        made = in_turn(
            [("pixels", turn) for turn in turns], Target(model, JUDGE), QUERIES, goals,
            seed=0, progress=lambda going: None,
        )  # fmt: skip
        assert {(one.start, one.end) for one in made} == {(9.0, 8.0)}
        sent = model.loss([one.query for one in made], goals)
        assert bool((sent < model.loss(QUERIES, goals)).all())


def test_enough_keeps_what_the_turns_before_made():
    calls: list[int] = []

    def once(model, queries, goals, **settings):
        calls.append(1)
        if len(calls) == 2:
            raise Enough
        return [Hostile(query.with_text(after="!"), 2.0, 1.0) for query in queries]

    goals = [Goal("targeted", "blue", ("never",))]
    (made,) = in_turn(
        [("words", once)] * 3, Target(Toy(), JUDGE), QUERIES[:1], goals,
        seed=0, progress=lambda going: None,
    )  # fmt: skip
    assert made.query.user_text.endswith("!")


def test_a_turn_that_was_told_to_end_is_the_last_and_is_kept():
    turns: list[int] = []

    def ended(model, queries, goals, *, progress, **settings):
        turns.append(len(turns))
        with suppress(Enough):
            progress(Going(done=1, total=2))
        return [Hostile(query.with_text(after="!"), 2.0, 1.0) for query in queries]

    def enough(going: Going) -> None:
        raise Enough

    (made,) = in_turn(
        [("words", ended)] * 3, Target(Toy(), JUDGE), QUERIES[:1],
        [Goal("targeted", "blue", ("never",))], seed=0, progress=enough,
    )  # fmt: skip
    assert turns == [0]
    assert made.query.user_text.endswith("!")


def test_an_agreeing_model_means_over_the_ways_to_begin():
    model, goals = Toy(), wanted(Toy(), Goal.stop_refusing)
    starts = ("red", "green")
    agreeing = Agreeing(model, Nothing(), starts=starts)
    each = [model.loss(QUERIES, [Goal.say(start)] * 8) for start in starts]
    assert torch.allclose(agreeing.loss(QUERIES, goals), (each[0] + each[1]) / 2)
    assert agreeing.answer(QUERIES) == model.answer(QUERIES)


@pytest.mark.parametrize("text", ["template", "word-swap"])
def test_bimodal_keeps_its_ball_and_moves_both(text, bert: str):
    model, goals = Toy(), wanted(Toy(), Goal.stop_refusing)
    attack = Bimodal(
        eps=24, steps=20, starts="red | blue", text=text, masked=bert, which="fiction", words=1
    )
    made = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in made], goals) > rate(model, QUERIES, goals) + 0.5
    assert all(moved(q, h.query) <= 24 for q, h in zip(QUERIES, made, strict=True))
    assert all(one.gradient for one in made)


def test_bimodal_looks_through_a_random_defence():
    defended = guarded(Toy(), Smooth(2))
    goals = wanted(Toy(), Goal.stop_refusing)[:2]
    attack = Bimodal(steps=2, starts="red", which="fiction", rounds=1, eot=3)
    made = attack(defended, QUERIES[:2], goals, judge=JUDGE, seed=0)
    assert all(one.eot >= 3 for one in made)
    assert Bimodal(steps=2, starts="red", which="fiction", rounds=1)(
        guarded(Toy(), Rewrite()), QUERIES[:2], goals, judge=JUDGE, seed=0
    )


def test_bimodal_wants_an_answer_that_agrees():
    with pytest.raises(RecipeError, match="its goal is jailbreak"):
        Bimodal()(Toy(), QUERIES[:1], [Goal.say("blue")], judge=JUDGE, seed=0)
    for broken in ({"text": "poem"}, {"rounds": 0}, {"starts": " | "}):
        with pytest.raises(RecipeError):
            Bimodal(**broken)
