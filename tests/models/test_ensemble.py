"""Several sources as one: the mean of their losses, and no answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sallet.attacks.pgd import PGD
from sallet.core.errors import ModelError, NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Failure, Query
from sallet.judges.rules import Rules
from sallet.models.ensemble import Ensemble
from tests.harness.fakes import Lamp, Sideways, picture


def queries() -> list[Query]:
    return [Query.ask(picture(3, i)[0], "which half is brighter ?") for i in range(4)]


def test_its_loss_is_the_mean_of_its_members_and_so_is_its_gradient():
    made = Ensemble((Lamp(), Sideways()))
    goals = [Goal.say("left"), Goal.say("right"), Goal.stop_saying("left"), Goal.say("left")]
    gradients: list[torch.Tensor] = []
    for model in (made, *made.members):
        leaves = [q.images[0].tensor().requires_grad_() for q in queries()]
        shown = [q.with_images([Image(leaf)]) for q, leaf in zip(queries(), leaves, strict=True)]
        model.loss(shown, goals).sum().backward()
        gradients.append(torch.stack([leaf.grad for leaf in leaves]))
    mine, first, second = gradients
    assert not torch.allclose(first, second)
    assert torch.allclose(mine, (first + second) / 2, atol=1e-6)


def test_what_is_made_on_it_fools_every_member_where_one_alone_fools_one():
    first, second = Lamp(), Sideways()
    goals = [Goal.say("left")] * 4

    def fell(made: list, model: Lamp) -> int:
        return sum(a.text == "left" for a in model.answer([h.query for h in made]))

    def attacked(model: object) -> list:
        return PGD(eps=24, steps=10, stop_early=False)(model, dark(), goals, judge=Rules(), seed=0)

    alone, together = attacked(first), attacked(Ensemble((first, second)))
    assert (fell(alone, first), fell(together, first)) == (4, 4)
    assert fell(together, second) == 4
    assert fell(alone, second) < 4


def dark() -> list[Query]:
    """Pictures of which both lamps say "right": the lower right is brighter."""
    found: list[Query] = []
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(110, 120, (8, 8, 3))
        pixels[4:, :] += 8
        pixels[:, 4:] += 8
        found.append(Query.ask(Image(pixels.astype(np.uint8)), "which half is brighter ?"))
    return found


def test_it_answers_with_failures_that_say_what_to_do():
    (answer,) = Ensemble((Lamp(), Sideways())).answer(queries()[:1])
    assert isinstance(answer, Failure)
    assert isinstance(answer.error, ModelError)
    assert "sources" in str(answer.error)


def test_what_cannot_be_one_is_refused():
    class Deaf:
        name = "deaf"

        def answer(self, queries):
            return []

    with pytest.raises(RecipeError, match="two members"):
        Ensemble((Lamp(),))
    with pytest.raises(NoGradient, match="deaf"):
        Ensemble((Lamp(), Deaf()))
