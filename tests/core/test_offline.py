"""`Offline` pools everything, changes nothing, and lets a failure reach only its own sample."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from sallet.core.compose import Nothing, Stack
from sallet.core.errors import ContractError
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.offline import Offline
from sallet.core.query import Answer, Failure, Query
from sallet.defenses.rewrite import Noise
from tests.core.toys import (
    TOYS,
    AskTwice,
    Gated,
    Purify,
    Rewrite,
    Screen,
    Smooth,
    Toy,
    Toyish,
    ask,
    picture,
)

BRIGHT = Query.ask(Image(picture(0).pixels() // 2 + 127), "what colour ?")
DARK = [Query.ask(Image(picture(i).pixels() // 2), "what colour ?") for i in (1, 2)]


def test_three_queries_through_four_layers_make_one_call_each():
    model, screen, purify = Toy(), Screen(), Purify()
    defense = Stack(screen, Smooth(4), Rewrite(), purify)
    answers = Offline(model).run(defense, [DARK[0], BRIGHT, DARK[1]])
    assert screen.detector.calls == [3]
    assert purify.purifier.calls == [8]
    assert model.calls == [8]
    assert [a.refused_by for a in answers] == [None, "defense:screen", None]


def test_jobs_that_took_different_ways_meet_in_one_model_call():
    model, gated = Toy(), Gated()
    Offline(model).run(gated, [DARK[0], BRIGHT, DARK[1]])
    assert gated.purifier.calls == [1]
    assert model.calls == [3]


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_pooled_equals_one_by_one(toy: str, temperature: float):
    queries = [ask(i, temperature=temperature, seed=100 + i) for i in range(24)]
    pooled = guarded(Toy(), TOYS[toy]()).answer(queries)
    single = [guarded(Toy(), TOYS[toy]()).answer([query])[0] for query in queries]
    narrow = Offline(Toy(), max_in_flight=3, max_pixels=300).run(TOYS[toy](), queries)
    assert pooled == single == narrow
    assert len({a.text for a in pooled}) > 1, "a toy that always says the same proves nothing"


@pytest.mark.parametrize("toy", TOYS)
def test_same_seeds_same_result(toy: str):
    queries = [ask(i) for i in range(8)]
    assert guarded(Toy(), TOYS[toy]()).answer(queries) == guarded(Toy(), TOYS[toy]()).answer(
        queries
    )


def test_other_defence_seeds_change_a_stochastic_defence():
    def copies(seed: int) -> list[tuple[Answer, ...]]:
        queries = [ask(i).with_defense_seed(seed + i) for i in range(16)]
        return [a.copies for a in guarded(Toy(), Smooth(6)).answer(queries)]

    assert copies(1) == copies(1)
    assert copies(1) != copies(1000)


def test_a_worker_that_fails_on_one_item_fails_that_sample_only():
    queries = [ask(i) for i in range(7)]
    queries[3] = Query.ask(picture(3, side=5), "what colour ?")
    answers = guarded(Toy(), Screen(threshold=9.0)).answer(queries)
    assert [isinstance(a, Failure) for a in answers] == [i == 3 for i in range(7)]
    assert "no 5x5" in str(answers[3].error)
    assert answers[:3] == guarded(Toy(), Nothing()).answer(queries[:3])


def test_a_model_that_fails_on_one_query_fails_that_sample_only():
    queries = [ask(i, "what colour ?" if i != 4 else "what colour ? poison") for i in range(9)]
    answers = guarded(Toy(fails_on="poison"), Smooth(3)).answer(queries)
    assert [isinstance(a, Failure) for a in answers] == [i == 4 for i in range(9)]


def test_out_of_memory_splits_and_loses_nothing():
    class Small(Toy):
        def answer(self, queries):
            if len(queries) > 2:
                self.calls.append(len(queries))
                raise torch.OutOfMemoryError("too many")
            return super().answer(queries)

    queries = [ask(i) for i in range(5)]
    model = Small()
    assert guarded(model, Nothing()).answer(queries) == guarded(Toy(), Nothing()).answer(queries)
    assert model.calls == [5, 2, 3, 1, 2]


def test_a_worker_with_the_wrong_number_of_results_is_an_error_that_names_it():
    class Short:
        name = "short"

        def __call__(self, items):
            return []

    @dataclass
    class Bad(Toyish):
        async def guard(self, query, via):
            return query.with_images(await via.batch(Short(), query.seeded_images()))

    (answer,) = guarded(Toy(), Bad()).answer([ask(0)])
    assert isinstance(answer.error, ContractError)
    assert "short" in str(answer.error)


def test_a_defence_that_awaits_something_else_is_told_so():
    class Sleep:
        def __await__(self):
            return (yield "a timer")

    @dataclass
    class Bad(Toyish):
        async def guard(self, query, via):
            await Sleep()
            return query

    (answer,) = guarded(Toy(), Bad()).answer([ask(0)])
    assert isinstance(answer.error, ContractError)
    assert "via.batch" in str(answer.error)


def test_queries_are_drawn_only_as_room_is_made():
    drawn: list[int] = []

    def supply():
        for i in range(20):
            drawn.append(i)
            yield ask(i)

    class Watching(Toy):
        def answer(self, queries):
            assert len(drawn) <= 4 * (len(self.calls) + 1)
            return super().answer(queries)

    assert len(Offline(Watching(), max_in_flight=4).run(Nothing(), supply())) == 20


def test_guarding_a_guarded_model_is_a_stack():
    inner = guarded(Toy(), Rewrite())
    outer = guarded(inner, Smooth(3))
    assert outer.defense.name == "smooth+rewrite"
    queries = [ask(i) for i in range(6)]
    assert outer.answer(queries) == guarded(Toy(), Smooth(3), Rewrite()).answer(queries)


def test_asks_below_a_check_keep_its_role_and_go_through_lower_layers():
    model = Toy()
    guarded(model, AskTwice(), Smooth(3)).answer([ask(0)])
    assert model.calls[:2] == [3, 3]


def test_each_layer_of_a_stack_draws_for_itself():
    shown: list[Image] = []

    class Watching(Toy):
        def answer(self, queries):
            shown.extend(image for query in queries for image in query.images)
            return super().answer(queries)

    query = Query.ask(Image(torch.full((3, 32, 32), 0.5)), "what colour ?").with_defense_seed(3)
    guarded(Watching(), Noise(sigma=0.05)).answer([query])
    guarded(Watching(), Noise(sigma=0.05), Noise(sigma=0.05)).answer([query])
    once, twice = (float((image.tensor() - 0.5).std()) for image in shown)
    assert twice == pytest.approx(once * 2**0.5, rel=0.05), "the same draw twice would double it"
