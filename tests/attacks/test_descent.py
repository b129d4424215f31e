"""PGD stays in its ball, keeps its best, and says when it was blind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from sallet.attacks.apgd import APGD
from sallet.attacks.checks import EXPLAINED, cell_flags
from sallet.attacks.control import Unchanged, UniformNoise
from sallet.attacks.pgd import PGD
from sallet.attacks.threat import Threat
from sallet.core.compose import Nothing
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import guarded
from sallet.core.image import Image, to_float
from sallet.core.protocols import Enough, Going
from sallet.core.query import Answer, Query
from sallet.defenses.rewrite import Jpeg, Noise
from sallet.judges.rules import Rules
from tests.core.toys import Smooth, Toy, Toyish, ask, numbers, picture

JUDGE = Rules()
QUERIES = [ask(i) for i in range(24)]


def goals_for(model: Toy, kind: str) -> list[Goal]:
    said = [a.text for a in model.answer(QUERIES)]
    if kind == "untargeted":
        return [Goal.stop_saying(text) for text in said]
    return [Goal.say("blue" if text != "blue" else "red") for text in said]


def rate(model, queries, goals) -> float:
    answers = model.answer(queries)
    outcomes = [
        JUDGE.judge(q, a, g).outcome for q, a, g in zip(queries, answers, goals, strict=True)
    ]
    return outcomes.count(Outcome.SUCCESS) / len(outcomes)


def distance(query: Query, hostile: Query) -> np.ndarray:
    pairs = zip(query.images, hostile.images, strict=True)
    return np.stack([h.pixels().astype(int) - q.pixels().astype(int) for q, h in pairs])


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("kind", ["untargeted", "targeted"])
def test_pgd_breaks_the_toy_inside_its_ball(norm: str, kind: str):
    model, eps = Toy(), 24.0 if norm == "linf" else 420.0
    goals = goals_for(model, kind)
    assert rate(model, QUERIES, goals) == 0
    hostile = PGD(eps=eps, norm=norm, steps=30)(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in hostile], goals) >= 0.9
    for query, made in zip(QUERIES, hostile, strict=True):
        change = distance(query, made.query)
        size = np.abs(change).max() if norm == "linf" else np.sqrt((change**2).sum())
        assert 0 < size <= eps
        assert made.end is not None
        assert made.start is not None
        assert made.end < made.start


def test_noise_of_the_same_size_does_little_beside_it():
    model = Toy()
    goals = goals_for(model, "untargeted")
    noisy = UniformNoise(eps=24.0)(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert all(
        np.abs(distance(q, h.query)).max() == 24 for q, h in zip(QUERIES, noisy, strict=True)
    )
    assert rate(model, [h.query for h in noisy], goals) <= 0.3


def test_what_was_made_depends_on_the_seed_and_not_on_the_batch():
    model, attack = Toy(), PGD(eps=8, steps=5, check_every=5)
    goals = goals_for(model, "untargeted")
    whole = attack(model, QUERIES[:6], goals[:6], judge=JUDGE, seed=1)
    alone = [
        attack(model, [q], [g], judge=JUDGE, seed=1)[0]
        for q, g in zip(QUERIES[:6], goals, strict=False)
    ]
    other = attack(model, QUERIES[:6], goals[:6], judge=JUDGE, seed=2)
    assert [h.query.digest for h in whole] == [h.query.digest for h in alone]
    assert [h.query.digest for h in whole] != [h.query.digest for h in other]


def test_a_sample_that_fell_is_left_alone():
    class Counting(Toy):
        def __init__(self):
            super().__init__()
            self.sizes: list[int] = []

        def loss(self, queries, goals):
            self.sizes.append(len(queries))
            return super().loss(queries, goals)

    model = Counting()
    goals = goals_for(model, "untargeted")
    hostile = PGD(eps=64, steps=40, check_every=2)(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in hostile], goals) == 1
    assert model.sizes[0] == len(QUERIES)
    assert sum(model.sizes) < 20 * len(QUERIES)


def test_whoever_waits_may_end_it_and_gets_the_best_so_far():
    model, goals = Toy(), goals_for(Toy(), "targeted")

    def impatient(going: Going) -> None:
        if going.done >= 5 * len(QUERIES):
            raise Enough

    hostile = PGD(eps=1, steps=1000)(model, QUERIES, goals, judge=JUDGE, seed=0, progress=impatient)
    assert {h.steps for h in hostile} <= {5, 6}
    assert all(h.end is not None and h.end <= h.curve[0] for h in hostile)


def test_places_are_handed_on_and_change_nothing():
    model, goals = Toy(), goals_for(Toy(), "untargeted")
    one, many = (
        PGD(eps=24, steps=20, batch=batch)(model, QUERIES, goals, judge=JUDGE, seed=0)
        for batch in (3, 24)
    )
    assert [h.query.digest for h in one] == [h.query.digest for h in many]


def test_half_as_many_where_memory_runs_out():
    class Small(Toy):
        def loss(self, queries, goals):
            if len(queries) > 5:
                raise torch.OutOfMemoryError("no room")
            return super().loss(queries, goals)

    goals = goals_for(Toy(), "untargeted")
    small, large = (
        PGD(eps=24, steps=20)(model, QUERIES, goals, judge=JUDGE, seed=0)
        for model in (Small(), Toy())
    )
    assert [h.query.digest for h in small] == [h.query.digest for h in large]


@pytest.mark.parametrize("room", [1, 3])
def test_memory_that_runs_out_through_a_random_defence_or_at_the_end(room: int):
    """Rows are samples times defence seeds; the last look, which takes no gradient, is bounded,
    too."""

    class Small(Toy):
        def loss(self, queries, goals):
            if len(queries) > room:
                raise torch.OutOfMemoryError("no room")
            return super().loss(queries, goals)

    attack = PGD(eps=1, steps=4, eot=2, eot_most=4, batch=8)
    small, large = (
        attack(guarded(model, Noise(0.02)), QUERIES[:8], goals_for(Toy(), "targeted")[:8],
               judge=JUDGE, seed=0)
        for model in (Small(), Toy())
    )  # fmt: skip
    assert all(made.steps == 4 for made in small)
    assert [h.query.digest for h in small] == [h.query.digest for h in large]


def test_whoever_has_enough_at_the_very_end_gets_all_of_it():
    def late(going: Going) -> None:
        if going.done == going.total:
            raise Enough

    goals = goals_for(Toy(), "targeted")
    made = PGD(eps=1, steps=3)(Toy(), QUERIES, goals, judge=JUDGE, seed=0, progress=late)
    assert {h.steps for h in made} == {3}


@pytest.mark.parametrize(("key", "value"), [("step", -1.0), ("step", 0.0), ("eot_most", 1)])
def test_settings_that_would_climb_or_average_nothing_are_errors(key: str, value: float):
    with pytest.raises(RecipeError, match=key):
        PGD(**{key: value})


def test_apgd_halves_its_step_and_breaks_the_toy():
    model, goals = Toy(), goals_for(Toy(), "targeted")
    hostile = APGD(eps=24, steps=40, check_every=40)(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in hostile], goals) >= 0.9
    for made in hostile:
        assert made.end is not None
        assert made.end <= made.curve[0] / 10


def test_a_defence_that_is_noisier_gets_more_seeds():
    @dataclass
    class Noisy(Toyish):
        scale: float = 0.0
        stochastic = True

        async def guard(self, query, via):
            def noisy(seen):
                return seen * (1 + self.scale * numbers(query.defense_seed, *seen.shape))

            return query.map_images(lambda image: image.view(noisy))

    goals = [Goal.say("blue")] * 4
    quiet, loud = (
        PGD(eps=1, steps=6, check_every=6)(
            guarded(Toy(), Noisy(scale)), QUERIES[:4], goals, judge=JUDGE, seed=0
        )
        for scale in (0.01, 8.0)
    )
    assert {h.eot for h in quiet} == {2}
    assert {h.eot for h in loud} == {8}


def test_knowing_a_defence_beats_not_knowing_it():
    @dataclass
    class Mirror(Toyish):
        async def guard(self, query, via):
            return query.map_images(lambda image: image.view(lambda seen: seen.flip(2)))

    model, defended = Toy(), guarded(Toy(), Mirror())
    said = [a.text for a in defended.answer(QUERIES)]
    goals = [Goal.stop_saying(text) for text in said]
    attack = PGD(eps=4, steps=30)
    blind = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    knowing = attack(defended, QUERIES, goals, judge=JUDGE, seed=0)
    known = rate(defended, [h.query for h in knowing], goals)
    assert known > rate(defended, [h.query for h in blind], goals) + 0.3
    assert known >= 0.7


def test_through_jpeg_the_gradient_goes_straight():
    defended = guarded(Toy(), Jpeg(quality=60))
    said = [a.text for a in defended.answer(QUERIES)]
    goals = [Goal.stop_saying(text) for text in said]
    hostile = PGD(eps=32, steps=30)(defended, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(defended, [h.query for h in hostile], goals) >= 0.9
    assert "straight-through" in cell_flags(hostile, Jpeg(), PGD())


def test_every_image_of_a_query_is_attacked():
    query = Query.ask(picture(1), "what colour ?", picture(2))
    (made,) = PGD(eps=8, steps=3)(Toy(), [query], [Goal.stop_saying("red")], judge=JUDGE, seed=0)
    assert [np.abs(d).max() > 0 for d in distance(query, made.query)] == [True, True]


def test_a_wall_is_flagged_not_called_robust():
    @dataclass
    class Wall(Toyish):
        async def guard(self, query, via):
            return Answer("no", refused_by="defense:wall")

    hostile = PGD(eps=8, steps=3)(
        guarded(Toy(), Wall()), QUERIES[:2], [Goal.say("blue")] * 2, judge=JUDGE, seed=0
    )
    flags = cell_flags(hostile, Wall(), PGD())
    assert {"zero-gradient", "refused-always"} <= set(flags)
    assert set(flags) <= set(EXPLAINED)


def test_a_random_defence_without_eot_is_flagged():
    defended = guarded(Toy(), Smooth(3))
    attack = PGD(eps=8, steps=2, eot=1)
    hostile = attack(defended, QUERIES[:2], [Goal.say("blue")] * 2, judge=JUDGE, seed=0)
    assert "random-without-eot" in cell_flags(hostile, defended.defense, attack)
    assert "random-without-eot" not in cell_flags(hostile, Nothing(), attack)


def test_a_model_without_gradient_is_an_error_that_says_what_remains():
    class Closed:
        name = "closed"

        def answer(self, queries):
            return [Answer("red") for _ in queries]

    with pytest.raises(NoGradient, match="query attack"):
        PGD()(Closed(), QUERIES[:1], [Goal.say("blue")], judge=JUDGE, seed=0)


@pytest.mark.parametrize("eps", [0, -1, 0.5, 256, float("nan")])
def test_an_eps_out_of_range_says_the_unit(eps: float):
    with pytest.raises(RecipeError, match="8-bit units"):
        PGD(eps=eps)


@pytest.mark.parametrize("eps", [1.0, 1.5, 2.6, 8.0])
def test_the_file_is_in_the_ball_after_rounding(eps: float):
    clean = to_float(picture(0).pixels())
    threat = Threat("linf", eps)
    change = threat.start(clean, torch.Generator().manual_seed(0))
    moved = threat.file(clean, change).pixels().astype(int) - picture(0).pixels().astype(int)
    assert np.abs(moved).max() == int(eps)


def test_no_attack_changes_nothing():
    hostile = Unchanged()(Toy(), QUERIES, [Goal.say("blue")] * 24, judge=JUDGE, seed=0)
    assert [h.query for h in hostile] == QUERIES


def test_a_query_without_images_cannot_be_attacked():
    with pytest.raises(RecipeError, match="has none"):
        PGD()(Toy(), [Query.ask("what colour ?")], [Goal.say("blue")], judge=JUDGE, seed=0)


def test_float_images_are_attacked_as_files_hold_them():
    soft = Query.ask(Image(torch.full((3, 8, 8), 0.3012)), "what colour ?")
    (made,) = PGD(eps=4, steps=2)(Toy(), [soft], [Goal.say("blue")], judge=JUDGE, seed=0)
    assert np.abs(distance(soft, made.query)).max() <= 4


@pytest.mark.parametrize("eps", [8.0, 128.0, 2000.0])
def test_an_l2_change_is_not_rounded_away(eps: float):
    clean = torch.full((3, 192, 192), 128 / 255)
    threat = Threat("l2", eps)
    change = threat.start(clean, torch.Generator().manual_seed(0))
    moved = threat.file(clean, change).pixels().astype(float) - 128
    assert 0.95 * eps <= np.sqrt((moved**2).sum()) <= eps
