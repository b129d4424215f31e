"""The rehearsal gives an attacker the true gradient of every kind of defence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from sallet.core.compose import Nothing, Stack
from sallet.core.errors import ContractError, NoGradient
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.image import Image, straight_through
from sallet.core.query import Answer, Query
from sallet.core.rehearsal import Rehearsal, rehearse
from tests.core.toys import (
    TOYS,
    AskTwice,
    Blur,
    Gated,
    Purify,
    Rationale,
    Rewrite,
    Screen,
    Sequential,
    Smooth,
    Toy,
    Toyish,
    picture,
)

GOAL = Goal.say("blue")


def hot(seed: int, scale: float = 1.0, shift: float = 0.0) -> tuple[Query, Tensor]:
    """A query whose picture carries a gradient."""
    pixels = (picture(seed).tensor() * scale + shift).requires_grad_()
    return Query.ask(Image(pixels), "what colour ?").with_defense_seed(seed), pixels


def bright(seed: int = 0) -> tuple[Query, Tensor]:
    return hot(seed, 0.5, 0.5)


def dark(seed: int = 0) -> tuple[Query, Tensor]:
    return hot(seed, 0.5)


@pytest.mark.parametrize("toy", TOYS)
@pytest.mark.parametrize("make", [bright, dark])
@pytest.mark.parametrize("goal", [GOAL, Goal.stop_saying("red")])
def test_every_shape_of_defence_gives_a_gradient(toy: str, make, goal: Goal):
    query, pixels = make()
    loss = guarded(Toy(), TOYS[toy]()).loss([query], [goal])
    loss.sum().backward()
    assert loss.shape == (1,)
    assert torch.isfinite(loss).all()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


@pytest.mark.parametrize("toy", [*TOYS, "stack"])
def test_the_gradient_is_the_finite_difference(toy: str):
    defense = Stack(Gated(), Smooth(3), Rewrite(), Purify()) if toy == "stack" else TOYS[toy]()
    model = guarded(Toy(), defense)
    query, pixels = bright(3)
    model.loss([query], [GOAL]).sum().backward()
    along = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    along = along / along.norm()
    step = 3e-3

    def at(offset: float) -> float:
        moved = query.with_images([Image(pixels.detach() + offset * along)])
        return model.loss([moved], [GOAL]).item()

    measured = (at(step) - at(-step)) / (2 * step)
    expected = float((pixels.grad * along).sum())
    assert measured == pytest.approx(expected, rel=0.02, abs=2e-3)


def test_a_batch_of_rehearsals_is_one_model_call_and_equals_singles():
    losses: list[int] = []

    class Counting(Toy):
        def loss(self, queries, goals):
            losses.append(len(queries))
            return super().loss(queries, goals)

    queries = [hot(i)[0] for i in range(5)]
    model = Counting()
    pooled = rehearse(model, Stack(Smooth(4), Purify()), queries, [GOAL] * 5).loss
    assert losses == [20]
    single = torch.cat(
        [rehearse(Toy(), Stack(Smooth(4), Purify()), [q], [GOAL]).loss for q in queries]
    )
    assert torch.allclose(pooled, single, atol=1e-6)


def test_a_vote_is_rehearsed_over_the_views_that_the_model_will_see():
    query, _ = hot(1)
    (stage,) = Rehearsal([GOAL]).run(Smooth(5), [query])
    seen: list[Query] = []

    class Spy(Toy):
        def answer(self, queries):
            seen.extend(queries)
            return super().answer(queries)

    guarded(Spy(), Smooth(5)).answer([query])
    assert [v.digest for v in stage.views] == [q.digest for q in seen]


def test_majority_votes_follow_the_weakest_majority():
    query, _ = hot(1)
    losses = torch.stack([Toy().loss([Smooth().view(query.fork(i))], [GOAL])[0] for i in range(5)])
    mean = rehearse(Toy(), Smooth(5), [query], [GOAL]).loss
    weakest = rehearse(Toy(), Smooth(5), [query], [GOAL], votes="majority").loss
    assert mean.item() == pytest.approx(losses.mean().item(), abs=1e-6)
    assert weakest.item() == pytest.approx(losses.sort().values[:3].mean().item(), abs=1e-6)


def test_a_self_check_adds_the_loss_of_the_evading_reply():
    query, _ = hot(2)
    (stage,) = Rehearsal([GOAL]).run(AskTwice(), [query])
    assert [text for _, text in stage.checks] == ["no"]
    assert stage.checks[0][0].messages[-2].text == "blue", "the check judges the attacker's wish"
    (check, evading) = stage.checks[0]
    expected = Toy().loss([query, check], [GOAL, Goal.say(evading)]).sum()
    assert rehearse(Toy(), AskTwice(), [query], [GOAL]).loss.item() == pytest.approx(
        expected.item()
    )


def test_an_evading_reply_survives_the_layers_below_it():
    query, _ = hot(2)
    (stage,) = Rehearsal([GOAL]).run(Stack(AskTwice(), Smooth(3), Purify()), [query])
    assert [text for _, text in stage.checks] == ["no"] * 3
    assert len(stage.views) == 3
    (stage,) = Rehearsal([GOAL]).run(Stack(Rationale(), Smooth(3)), [query])
    assert [text for _, text in stage.checks] == ["risk: none"] * 3


def test_a_screen_that_refuses_costs_a_hinge_to_pass():
    query, pixels = bright()
    risk = float(pixels.detach().mean()) - 0.5
    assert risk > 0
    loss = guarded(Toy(), Screen()).loss([query], [GOAL])
    bare = guarded(Toy(), Nothing()).loss([query], [GOAL])
    assert float((loss - bare).detach()) == pytest.approx(risk + 0.05, abs=1e-5)


def test_both_branches_are_rehearsed_and_the_better_kept():
    for seed in range(6):
        query, pixels = bright(seed)
        margin = float(pixels.detach().mean()) - 0.5
        gated = guarded(Toy(), Gated()).loss([query], [GOAL]).item()
        purified = guarded(Toy(), Purify()).loss([query], [GOAL]).item()
        bare = guarded(Toy(), Nothing()).loss([query], [GOAL]).item()
        assert gated == pytest.approx(min(purified, bare + margin + 0.05), abs=1e-5)


def test_refused_on_every_branch_is_infinite_with_a_zero_gradient():
    @dataclass
    class Wall(Toyish):
        async def guard(self, query, via):
            return Answer("no", refused_by="defense:wall")

    query, pixels = hot(0)
    loss = guarded(Toy(), Wall()).loss([query], [GOAL])
    loss.sum().backward()
    assert math.isinf(loss.item())
    assert pixels.grad is not None
    assert pixels.grad.abs().max() == 0


def test_a_loop_that_an_attacker_never_ends_is_stopped():
    @dataclass
    class Endless(Toyish):
        async def guard(self, query, via):
            while await via.decide(0.5):
                await via.ask(query)
            return query

    with pytest.raises(ContractError, match="bound its loop"):
        guarded(Toy(), Endless()).loss([hot(0)[0]], [GOAL])


def test_a_sequential_stop_ends_when_the_attacker_has_won():
    query, _ = hot(0)
    (stage,) = Rehearsal([GOAL]).run(Sequential(), [query])
    assert len(stage.views) == 2
    (forced,) = Rehearsal([GOAL], branch=True).run(Sequential(), [query])
    assert len(forced.views) == Sequential().most


def test_a_failing_worker_is_raised_not_hidden():
    @dataclass
    class Broken(Toyish):
        blur: Blur = field(default_factory=Blur)

        async def guard(self, query, via):
            return query.with_images(await via.batch(self.blur, ["not an item"]))

    with pytest.raises(AttributeError):
        guarded(Toy(), Broken()).loss([hot(0)[0]], [GOAL])


def test_a_straight_through_stage_passes_the_gradient_and_keeps_its_forward():
    query, pixels = hot(0)
    rounded = straight_through(lambda seen: (seen * 4).round() / 4)
    shown = query.map_images(lambda image: image.view(rounded))
    assert torch.equal(shown.images[0].tensor().detach(), (pixels.detach() * 4).round() / 4)
    Toy().loss([shown], [GOAL]).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


def test_without_a_gradient_the_error_names_what_remains():
    @dataclass
    class Opaque(Toyish):
        gradient = "none"

        async def guard(self, query, via):
            return query

    with pytest.raises(NoGradient, match="queries"):
        guarded(Toy(), Opaque()).loss([hot(0)[0]], [GOAL])
