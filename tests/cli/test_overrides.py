"""Flags in place of a recipe, or of its values."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from sallet.cli.main import _parser
from sallet.cli.overrides import override
from sallet.core.errors import RecipeError
from sallet.runs.parse import parse
from sallet.runs.recipe import Recipe

RECIPE: dict[str, Any] = {
    "models": ["a", "b"],
    "benchmarks": [{"name": "x", "limit": 9}, "y"],
    "attacks": [
        "none",
        {"name": "pgd", "goal": "targeted", "eps": 8, "steps": 40, "benchmarks": ["x"]},
        {"name": "pgd", "goal": "jailbreak", "eps": 16, "benchmarks": ["y"], "defenses": ["d"]},
    ],
    "defenses": ["none", {"name": "d", "copies": 3}, {"stack": ["e", {"name": "d", "copies": 2}]}],
}


def flags(*words: str) -> argparse.Namespace:
    return _parser().parse_args(["evaluate", *words])


def overridden(data: dict[str, Any], *words: str) -> Recipe:
    return parse(override(data, flags(*words)))


def test_flags_alone_make_a_recipe_with_its_clean_baseline():
    names = ["--model", "m", "--benchmark", "b", "--attack", "pgd", "--defense", "d+e"]
    numbers = ["--eps", "4", "--steps", "7", "--seed", "2", "--limit", "5"]
    recipe = overridden({}, *names, *numbers, "--access", "adaptive")
    assert [spec.name for spec in recipe.attacks] == ["none", "pgd"]
    pgd = recipe.attacks[1]
    assert (pgd.goal, pgd.eps, pgd.params) == ("untargeted", 4.0, {"steps": 7})
    assert (recipe.seed, recipe.benchmarks[0].limit, recipe.access) == (2, 5, ("adaptive",))
    assert recipe.defenses[0].name == "d+e"


def test_without_flags_the_recipe_stays_as_it_is():
    assert overridden(RECIPE) == parse(RECIPE)


def test_a_name_keeps_the_parameters_that_the_recipe_gives_it():
    recipe = overridden(RECIPE, "--defense", "e+d", "--defense", "d", "--model", "b")
    assert [d.name for d in recipe.defenses] == ["e+d", "d"]
    assert recipe.defenses[0].layers[1].params == {"copies": 2}
    assert [spec.name for spec in recipe.models] == ["b"]


def test_attacks_follow_the_benchmarks_and_defences_that_are_left():
    assert [a.goal for a in overridden(RECIPE, "--benchmark", "x").attacks] == [None, "targeted"]
    assert len(overridden(RECIPE, "--defense", "none").attacks) == 2
    with pytest.raises(RecipeError, match="no attack"):
        overridden({**RECIPE, "attacks": RECIPE["attacks"][1:2]}, "--benchmark", "y")


def test_a_budget_is_for_every_attack_but_none_and_steps_for_those_that_step():
    data = {**RECIPE, "attacks": ["none", {"name": "uniform-noise", "goal": "untargeted"}]}
    recipe = overridden(data, "--eps", "2", "--steps", "3")
    assert [(a.eps, dict(a.params)) for a in recipe.attacks] == [(None, {}), (2.0, {})]
    assert [a.params.get("steps") for a in overridden(RECIPE, "--steps", "3").attacks[1:]] == [3, 3]


def test_a_recipe_of_the_wrong_shape_is_still_an_error():
    with pytest.raises(RecipeError, match="must be a list"):
        overridden({**RECIPE, "benchmarks": "x"}, "--limit", "3")
    with pytest.raises(RecipeError, match="needs a goal"):
        overridden({**RECIPE, "attacks": [{"name": "pgd"}]}, "--eps", "3")
