"""Recipes: what a file means, what makes two of them the same, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sallet.core.errors import RecipeError, UsageError
from sallet.runs.parse import parse, read
from sallet.runs.recipe import changes

WHOLE: dict[str, Any] = {
    "name": "demo",
    "seed": 3,
    "models": ["world/llava-strong", {"name": "hf", "path": "some/folder", "dtype": "bfloat16"}],
    "benchmarks": [{"name": "world/where", "limit": 40}, "world/picture"],
    "attacks": [
        "none",
        {"name": "pgd", "goal": "untargeted", "eps": 8, "norm": "linf", "steps": 40},
        {"name": "uniform-noise", "goal": "untargeted", "eps": 8, "benchmarks": ["world/where"]},
    ],
    "access": ["oblivious", "adaptive", "transfer"],
    "sources": ["openai/some-model", {"name": "ensemble", "of": ["a", {"name": "b", "p": 1}]}],
    "defenses": ["none", {"name": "majority", "copies": 5}, "safety-prompt+jpeg"],
    "resubmissions": 2,
    "attack_batch": 10,
}
LEAST: dict[str, Any] = {"models": ["m"], "benchmarks": ["b"]}


def test_a_recipe_is_read_as_written():
    recipe = parse(WHOLE)
    assert [spec.name for spec in recipe.models] == ["world/llava-strong", "some/folder"]
    assert recipe.models[1].params == {"dtype": "bfloat16"}
    assert [spec.limit for spec in recipe.benchmarks] == [40, None]
    pgd = recipe.attacks[1]
    assert (pgd.goal, pgd.norm, pgd.eps, pgd.params) == ("untargeted", "linf", 8.0, {"steps": 40})
    assert recipe.attacks[2].benchmarks == ("world/where",)
    assert [d.name for d in recipe.defenses] == ["none", "majority", "safety-prompt+jpeg"]
    assert recipe.defenses[2].layers[1].name == "jpeg"


def test_its_yaml_means_the_same_recipe():
    recipe = parse(WHOLE)
    again = parse(yaml.safe_load(yaml.safe_dump(recipe.as_dict())))
    assert again == recipe
    assert again.digest == recipe.digest


def test_a_stack_gives_each_layer_its_own_parameters():
    stack = {"stack": ["jpeg", {"name": "majority", "copies": 3}]}
    recipe = parse({**LEAST, "defenses": [stack]})
    assert recipe.defenses[0].name == "jpeg+majority"
    assert recipe.defenses[0].layers[1].params == {"copies": 3}
    assert parse(recipe.as_dict()) == recipe


def test_every_field_is_in_the_digest_and_its_change_has_a_path():
    recipe = parse(WHOLE)
    other = parse(yaml.safe_load(yaml.safe_dump(WHOLE).replace("eps: 8", "eps: 4", 1)))
    assert other.digest != recipe.digest
    assert changes(recipe.as_dict(), other.as_dict()) == ["attacks.1.eps: 8.0 -> 4.0"]
    fewer = parse({**WHOLE, "defenses": ["none"]})
    assert changes(fewer.as_dict(), recipe.as_dict())[0] == (
        "defenses.1.name: (not there) -> 'majority'"
    )
    assert changes(recipe.as_dict(), recipe.as_dict()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modles": ["m"]}, "unknown recipe key 'modles'; did you mean models"),
        ({"models": []}, "needs models"),
        ({"models": "m"}, "`models` must be a list"),
        ({"models": [{"path": "p", "name": "m"}]}, "its name must be `hf`"),
        ({"models": [{"name": "openai/m", "api_key": "k"}]}, "OPENAI_API_KEY"),
        ({"models": [{"name": "m", "target": "nowhere"}]}, "module:attribute"),
        ({"benchmarks": [{"name": "b", "limit": 0}]}, "benchmarks[0].limit"),
        ({"attacks": [{"name": "pgd"}]}, "needs a goal"),
        ({"attacks": [{"name": "pgd", "goal": "targetted"}]}, "did you mean targeted"),
        ({"attacks": [{"name": "pgd", "goal": "targeted", "norm": "l1"}]}, "did you mean l2"),
        ({"attacks": [{"name": "none", "eps": 8}]}, "no goal, norm or eps"),
        ({"access": ["adaptiv"]}, "did you mean adaptive"),
        ({"access": ["transfer"], "attacks": ["none"]}, "needs `sources`"),
        ({"defenses": [{"name": "a+b", "quality": 3}]}, "stack"),
        ({"models": [{"name": "ensemble", "of": ["a", "b"]}]}, "one of `sources`"),
        ({"sources": [{"name": "ensemble", "of": ["a"]}]}, "two models or more"),
        ({"sources": [{"name": "ensemble", "of": ["a", "b"], "p": 1}]}, "nothing beside it"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"resubmissions": 0}, "resubmissions must be"),
        ({"defenses": [3]}, "defenses[0] must be a name"),
    ],
)
def test_what_is_wrong_is_said_by_its_place(change: dict[str, Any], words: str):
    with pytest.raises(UsageError) as caught:
        parse({**LEAST, **change})
    assert words in str(caught.value)


@pytest.mark.parametrize("eps", [0, -1, 256, 0.03, float("nan"), "8"])
def test_an_eps_out_of_range_says_its_unit(eps: object):
    attack = {"name": "pgd", "goal": "untargeted", "eps": eps}
    with pytest.raises(RecipeError, match="8-bit units") as caught:
        parse({**LEAST, "attacks": [attack]})
    assert "attacks[0].eps" in str(caught.value)


def test_an_l2_eps_may_be_larger():
    attack = {"name": "pgd", "goal": "untargeted", "eps": 900, "norm": "l2"}
    assert parse({**LEAST, "attacks": [attack]}).attacks[0].eps == 900


@pytest.mark.parametrize(
    ("text", "words"), [("models: [", "is not YAML"), ("- a", "must be a mapping")]
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, words: str):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=words):
        read(path)
    with pytest.raises(RecipeError, match="cannot read"):
        read(tmp_path / "missing.yaml")
