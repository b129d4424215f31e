"""An ensemble keeps each sample's own best, and spends its costly members on what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch

from sallet.attacks.apgd import APGD
from sallet.attacks.control import UniformNoise
from sallet.attacks.members import name_of, names
from sallet.attacks.pgd import PGD
from sallet.attacks.square import Square
from sallet.attacks.strongest import Strongest
from sallet.core.errors import NoGradient, RecipeError, UnknownName
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.guarded import guarded
from sallet.core.protocols import Attack, Enough, Going, Hostile, Model
from sallet.core.query import Answer, Query
from sallet.judges.rules import Rules
from tests.core.toys import Open, Purify, Screen, Smooth, Toy, Toyish, ask

JUDGE = Rules()
QUERIES = [ask(i) for i in range(24)]
E = 8.0
ROW = "uniform-noise,pgd:steps=3:step=2,apgd:steps=12,square:queries=40"


def goals_for(model: Model) -> list[Goal]:
    said = [a.text for a in model.answer(QUERIES) if isinstance(a, Answer)]
    return [Goal.say("blue" if text != "blue" else "red") for text in said]


def fell(model: Model, made: list[Hostile], goals: list[Goal]) -> list[bool]:
    answers = model.answer([one.query for one in made])
    return [
        JUDGE.judge(one.query, answer, goal).outcome is Outcome.SUCCESS
        for one, answer, goal in zip(made, answers, goals, strict=True)
    ]


def run(attack: Attack, model: Model, goals: list[Goal], seed: int = 0) -> list[Hostile]:
    return attack(model, QUERIES, goals, judge=JUDGE, seed=seed)


def test_it_breaks_what_any_of_its_members_breaks():
    goals = goals_for(Toy())
    alone = [
        fell(Toy(), run(attack, Toy(), goals), goals)
        for attack in (
            PGD(eps=E, steps=3, step=E / 4),
            APGD(eps=E, steps=12),
            Square(eps=E, queries=40),
        )
    ]
    assert 0 < sum(alone[0]) < sum(alone[1]) < len(QUERIES)
    together = fell(Toy(), run(Strongest(eps=E, members=ROW), Toy(), goals), goals)
    assert together == [any(each) for each in zip(*alone, strict=True)]


def test_who_broke_it_is_named_and_the_cheap_ones_come_first():
    goals = goals_for(Toy())
    made = run(Strongest(eps=E, members=ROW), Toy(), goals)
    broken = fell(Toy(), made, goals)
    cheap = fell(Toy(), run(PGD(eps=E, steps=3, step=E / 4), Toy(), goals), goals)
    for hostile, hit, easy in zip(made, broken, cheap, strict=True):
        if hit:
            assert hostile.by.startswith("pgd" if easy else ("apgd", "square"))
            assert not easy or hostile.steps <= 3
        else:
            assert hostile.steps > 12


def test_what_has_fallen_is_left_alone():
    model, goals = Open(), goals_for(Toy())
    first = run(Strongest(eps=255, members="pgd:steps=6"), model, goals)
    assert all(fell(model, first, goals))
    asked, scored = model.answered, model.scored
    both = run(Strongest(eps=255, members="pgd:steps=6,square:queries=400"), model, goals)
    assert model.scored == scored
    assert model.answered <= 2 * asked + len(QUERIES)
    assert [h.query.digest for h in both] == [h.query.digest for h in first]


def test_a_name_that_stands_twice_starts_elsewhere_the_second_time():
    goals = goals_for(Toy())
    once = run(Strongest(eps=1, members="pgd:steps=2"), Toy(), goals)
    alone = run(PGD(eps=1, steps=2), Toy(), goals)
    assert [h.query.digest for h in once] == [h.query.digest for h in alone]
    twice = run(Strongest(eps=1, members="pgd:steps=2,pgd:steps=2"), Toy(), goals)
    assert [h.query.digest for h in twice] != [h.query.digest for h in once]
    assert sum(h.end or 0 for h in twice) < sum(h.end or 0 for h in once)


def test_a_random_defence_must_fall_on_seeds_that_no_member_saw():
    model = guarded(Toy(), Smooth())
    goals = goals_for(Toy())
    made = run(Strongest(eps=24, members="uniform-noise,pgd:steps=8", confirm=4), model, goals)
    assert sum(fell(model, made, goals)) > 0
    assert all(h.asks >= 4 for h in made)


@dataclass
class Closed(Toyish):
    """A stage that lets no gradient back."""

    gradient = "none"

    async def guard(self, query: Query, via: object) -> Query:
        return query


def test_without_a_gradient_the_others_still_look():
    goals = goals_for(Toy())
    model = guarded(Toy(), Closed())
    made = run(Strongest(eps=24, members="pgd:steps=4,square:queries=200"), model, goals)
    noise = run(UniformNoise(eps=24), model, goals)
    assert sum(fell(model, made, goals)) >= sum(fell(model, noise, goals)) + 5
    assert {h.by for h in made} == {"square:queries=200"}


@dataclass(frozen=True)
class Never:
    """A judge to whom nothing is a success: so all members are equals."""

    name: str = "never"

    def judge(self, query: Query, answer: object, goal: Goal) -> Verdict:
        return Verdict(Outcome.RESISTED, "never")


def test_of_equals_the_one_of_the_models_own_lowest_loss_is_kept():
    """Square on answers climbs a distance of at most 1, PGD a cross-entropy: no common measure."""
    model = Toy()
    goals = goals_for(model)
    alone = [
        attack(model, QUERIES, goals, judge=Never(), seed=0)
        for attack in (PGD(eps=4, steps=6), Square(eps=4, queries=6, objective="answers"))
    ]
    pgd, square = "pgd:steps=6", "square:queries=6:objective=answers"
    for row in (f"{pgd},{square}", f"{square},{pgd}"):
        made = Strongest(eps=4, members=row)(model, QUERIES, goals, judge=Never(), seed=0)
        sent = model.loss([one.query for one in made], goals)
        members = [model.loss([one.query for one in each], goals) for each in alone]
        assert torch.allclose(sent, torch.stack(members).amin(0))
        assert pgd in {one.by for one in made}


class Quantised(Toy):
    """Answers, and has weights that nobody differentiates."""

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> torch.Tensor:
        raise NoGradient("weights of a format without gradients")


def test_of_equals_that_nobody_can_weigh_the_last_is_kept():
    goals = goals_for(Toy())
    attack = Strongest(eps=4, members="uniform-noise,pgd:steps=2,square:queries=4")
    made = attack(Quantised(), QUERIES, goals, judge=Never(), seed=0)
    assert {one.by for one in made} == {"square:queries=4"}


def test_with_no_member_that_can_look_it_says_so():
    with pytest.raises(NoGradient, match="queries only"):
        run(
            Strongest(eps=1, members="uniform-noise,pgd"),
            guarded(Toy(), Closed()),
            goals_for(Toy()),
        )


def test_its_progress_is_of_the_whole_row_and_ends_where_it_is_told():
    seen: list[Going] = []

    def watch(going: Going) -> None:
        seen.append(going)
        if len(seen) == 3:
            raise Enough

    goals = goals_for(Toy())
    attack = Strongest(eps=2, members="pgd:steps=6,apgd:steps=6")
    made = attack(Toy(), QUERIES, goals, judge=JUDGE, seed=0, progress=watch)
    assert len(made) == len(QUERIES)
    assert len(seen) == 3
    assert {going.total for going in seen} == {12 * len(QUERIES)}
    assert [going.done for going in seen] == sorted(going.done for going in seen)


@pytest.mark.parametrize("defense", [Screen(), Purify()])
def test_a_sound_defence_is_attacked_through_all_the_same(defense: Toyish):
    model, goals = guarded(Toy(), defense), goals_for(Toy())
    made = run(Strongest(eps=24, members="pgd:steps=4,apgd:steps=8"), model, goals)
    assert all(h.looks > 0 for h in made)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"members": "pgd,,apgd"}, RecipeError, "commas between"),
        ({"members": "pgd,gcg"}, UnknownName, "member"),
        ({"members": "pgd:eps=4"}, RecipeError, "all its members"),
        ({"members": "pgd:speed=4"}, UnknownName, "speed"),
        ({"members": "pgd:steps"}, RecipeError, "key=value"),
        ({"members": "low-frequency", "norm": "l2"}, RecipeError, "low-frequency"),
        ({"confirm": 0}, RecipeError, "at least 1"),
    ],
)
def test_a_row_that_cannot_be_is_refused(given: dict, error: type[Exception], says: str):
    with pytest.raises(error, match=says):
        Strongest(**given)


def test_the_default_fits_either_ball():
    assert [member.label for member in Strongest(eps=300, norm="l2").row][-1].startswith("nes")
    assert "low-frequency" in names(Strongest().members)
    assert name_of("pgd:steps=20") == "pgd"
