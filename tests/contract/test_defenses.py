"""One contract over every defence of the catalogue, on a real model of the picture world."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sallet import catalog
from sallet.core.compose import Stack
from sallet.core.errors import NoGradient
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Failure, Query
from sallet.core.seeds import derive

DEFENSES = [*catalog.DEFENSES, "safety-prompt+majority+jpeg"]
SHORTER = {"diffpure": {"until": 3}, "diffpure-10": {"until": 10}}
"""The same objects on a shorter way: a hundred steps for every picture here would take minutes."""


def defense_of(name: str):
    return catalog.defense(name, **SHORTER.get(name, {}))


@pytest.fixture(scope="module")
def model():
    return catalog.build("model", "world/llava-strong")


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    names = ("world/where", "world/picture", "world/harmless")
    samples = [s for n in names for s in catalog.build("benchmark", n).samples(3, seed=5)]
    return [s.query.with_defense_seed(derive(7, s.id)) for s in samples]


def texts(answers: list[Answer | Failure]) -> list[str]:
    assert all(isinstance(a, Answer) for a in answers), answers
    return [a.text for a in answers if isinstance(a, Answer)]


@pytest.mark.parametrize("name", DEFENSES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_pooled_equals_one_by_one(name: str, temperature: float, model, queries):
    defended = guarded(model, defense_of(name))
    asked = [
        replace(q, sampling=replace(q.sampling, temperature=temperature, seed=i))
        for i, q in enumerate(queries)
    ]
    pooled = texts(defended.answer(asked))
    assert pooled == [texts(defended.answer([q]))[0] for q in asked]
    assert (len(set(pooled)) > 1) != (name == "empty")


@pytest.mark.parametrize("name", DEFENSES)
def test_a_new_object_with_the_same_seeds_gives_the_same(name: str, model, queries):
    first = guarded(model, defense_of(name)).answer(queries[:4])
    assert first == guarded(model, defense_of(name)).answer(queries[:4])


@pytest.mark.parametrize("name", DEFENSES)
def test_only_a_stochastic_defence_looks_at_its_seed(name: str, model, queries):
    """What the model is shown differs between defence seeds if and only if that is declared."""
    defense = defense_of(name)
    shown: list[list[str]] = []

    class Watching:
        name = "watching"

        def answer(self, asked):
            shown[-1] += [image.digest for query in asked for image in query.images]
            return [Answer("a cat.") for _ in asked]

    for seed in (1, 2):
        shown.append([])
        guarded(Watching(), defense).answer([queries[0].with_defense_seed(seed)])
    if name == "choose":  # what it takes for this query may be an option that is not random
        assert defense.stochastic or shown[0] == shown[1]
    else:
        assert (shown[0] != shown[1]) == defense.stochastic


@pytest.mark.parametrize("name", DEFENSES)
def test_an_attacker_gets_a_gradient_or_is_told_that_there_is_none(name: str, model, queries):
    defense = defense_of(name)
    goal = catalog.build("benchmark", "world/where").samples(1, seed=5)[0].goals["targeted"]
    pixels = queries[0].images[0].tensor().requires_grad_()
    query = queries[0].with_images([Image(pixels)])
    defended = guarded(model, defense)
    if defense.gradient == "none":
        with pytest.raises(NoGradient):
            defended.loss([query], [goal])
        return
    defended.loss([query], [goal]).sum().backward()
    assert pixels.grad is not None
    assert torch.isfinite(pixels.grad).all()
    assert pixels.grad.abs().max() > 0


@pytest.mark.parametrize("name", DEFENSES)
def test_a_broken_picture_costs_only_its_own_answer(name: str, model, queries):
    broken = queries[0].with_images([Image(_Unreadable())])
    answers = guarded(model, defense_of(name)).answer([queries[1], broken, queries[2]])
    assert [isinstance(a, Failure) for a in answers] == [False, True, False]
    alone = guarded(model, defense_of(name)).answer([queries[1], queries[2]])
    assert [answers[0], answers[2]] == alone


class _Unreadable:
    size = (192, 192)

    def load(self):
        raise OSError("the disk is gone")


def test_a_stack_is_called_by_its_layers(model, queries):
    stack = catalog.defense("safety-prompt+majority+jpeg")
    assert isinstance(stack, Stack)
    assert stack.name == "safety-prompt+majority+jpeg"
    assert (stack.gradient, stack.stochastic) == ("straight-through", True)
    defended = guarded(model, stack)
    defended.answer(queries)
    assert defended.tally.calls["model"] == 1
    assert defended.tally.items["model"] == 5 * len(queries)


@pytest.mark.parametrize("name", catalog.DEFENSES)
def test_a_defence_is_frozen_configuration(name: str):
    first, second = defense_of(name), defense_of(name)
    assert first == second
    assert hash(first) == hash(second)
    with pytest.raises(AttributeError):
        first.name = "other"
