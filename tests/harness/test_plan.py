"""Which cells a recipe makes, and what is said of names that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sallet.core.errors import RecipeError, SalletError, UnknownName, UsageError
from sallet.harness.keys import FREE, place
from sallet.harness.parts import Parts, resolved
from sallet.harness.plan import Plan, plan
from sallet.harness.work import work
from sallet.runs.parse import parse
from tests.harness.fakes import BRIGHTER, LAMP, POISON

PGD = {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 10}
NOISE = {"name": "uniform-noise", "goal": "untargeted", "eps": 8}


def planned(**changes: Any) -> Plan:
    data = {"models": [LAMP], "benchmarks": [BRIGHTER], "attacks": ["none", PGD], **changes}
    return plan(parse(data), Parts())


def arms(made: Plan) -> list[str]:
    return [f"{c.key.attack} {c.key.access} {c.key.defense}" for c in made.cells]


def test_against_no_defence_the_oblivious_attack_is_the_adaptive_one():
    assert arms(planned(defenses=["none", "jpeg"])) == [
        "none none none",
        "none none jpeg",
        "pgd oblivious none",
        "pgd oblivious jpeg",
        "pgd adaptive jpeg",
    ]
    assert arms(planned(attacks=[PGD], access=["adaptive"])) == ["pgd oblivious none"]


def test_a_control_looks_at_no_model():
    assert arms(planned(attacks=[NOISE], defenses=["none", "jpeg"])) == [
        "uniform-noise none none",
        "uniform-noise none jpeg",
    ]


def test_transfer_is_from_every_other_model():
    other = {**LAMP, "name": "other"}
    made = planned(attacks=[PGD], access=["transfer"], sources=[LAMP, other])
    assert [(c.key.access, c.key.source) for c in made.cells] == [("transfer", "other")]


def test_an_ensemble_is_one_source_and_never_attacks_its_own_members():
    other, third = {**LAMP, "name": "other"}, {**LAMP, "name": "third", "blue": 0.5}
    both = [{"name": "ensemble", "of": [a, b]} for a, b in ((LAMP, other), (other, third))]
    made = planned(attacks=[PGD], access=["transfer"], sources=both)
    (cell,) = made.cells
    assert cell.key.source == "other+third"
    assert cell.key.params["source.third.blue"] == 0.5


def test_one_source_with_two_settings_makes_two_cells_of_one_place():
    others = [{**LAMP, "name": "other", "blue": blue} for blue in (0.4, 0.5)]
    made = planned(attacks=[PGD], access=["oblivious", "transfer"], sources=others)
    assert [c.key.params.get("source.blue") for c in made.cells] == [None, 0.4, 0.5]
    assert len({place(c.key, *FREE["attack"]) for c in made.cells}) == 1
    assert len({place(c.key, *FREE["access"]) for c in made.cells}) == 1


def test_a_folder_with_an_encoder_is_a_source_by_its_path(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    own, other = {"path": str(tmp_path), "toward": "image"}, {"path": str(tmp_path), "dtype": "x"}
    made = planned(attacks=[PGD], access=["transfer"], sources=[own])
    assert made.cells[0].key.source == tmp_path.name
    with pytest.raises(UnknownName, match="dtype"):
        planned(attacks=[PGD], access=["transfer"], sources=[other])


def test_an_attack_keeps_to_what_it_lists():
    attacks = [
        {**PGD, "defenses": ["jpeg"], "access": ["adaptive"]},
        {**NOISE, "benchmarks": ["toy/brighter"]},
    ]
    made = planned(attacks=attacks, benchmarks=[BRIGHTER, POISON], defenses=["none", "jpeg"])
    assert arms(made) == ["pgd adaptive jpeg", "uniform-noise none none", "uniform-noise none jpeg"]
    with pytest.raises(UnknownName, match="did you mean toy/brighter"):
        planned(attacks=[{**PGD, "benchmarks": ["toy/brigher"]}])


def test_an_attack_may_say_whether_a_defence_learned_from_its_like():
    made = planned(attacks=["none", {**PGD, "split": "unseen"}])
    assert {(c.key.attack, c.key.split) for c in made.cells} == {("none", None), ("pgd", "unseen")}
    again = parse(made.recipe.as_dict())
    assert again == made.recipe
    with pytest.raises(UnknownName, match="seen"):
        planned(attacks=[{**PGD, "split": "sen"}])


def test_a_goal_that_no_sample_has_is_left_out_with_a_note():
    made = planned(benchmarks=[BRIGHTER, POISON])
    assert [c.key.goal for c in made.cells] == [None, "untargeted", "jailbreak"]
    assert made.notes == ("no sample of toy/poison has the goal untargeted; pgd is left out",)
    with pytest.raises(RecipeError, match="no sample of toy/poison"):
        planned(benchmarks=[POISON], attacks=[PGD])


def test_defaults_are_written_out():
    recipe = resolved(parse({"models": [LAMP], "benchmarks": [BRIGHTER], "defenses": ["majority"]}))
    assert recipe.defenses[0].layers[0].params == {"copies": 5, "sigma": 0.1}
    assert planned(attacks=[{**PGD, "norm": "l2"}]).cells[0].key.norm == "l2"
    assert planned(attacks=[PGD]).cells[0].key.norm == "linf"
    with_settings = planned(defenses=[{"name": "majority", "copies": 3}]).cells[0].key
    assert with_settings.params == {"defense.copies": 3, "defense.sigma": 0.1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": ["world/llava-stron"]}, "did you mean world/llava-strong"),
        ({"models": ["nothing"]}, "unknown model"),
        ({"benchmarks": ["world/wher"]}, "did you mean world/where"),
        ({"attacks": [{**PGD, "name": "pdg"}]}, "did you mean pgd"),
        ({"attacks": [{**PGD, "step_count": 3}]}, "parameter of attack 'pgd': 'step_count'"),
        ({"attacks": [{**PGD, "momentun": 0.5}]}, "did you mean momentum"),
        ({"defenses": ["jpg"]}, "did you mean jpeg"),
        ({"defenses": ["jpeg+nose"]}, "did you mean noise"),
        ({"defenses": [{"name": "jpeg", "qualty": 3}]}, "did you mean quality"),
        ({"models": [{**LAMP, "target": "nowhere:Lamp"}]}, "cannot find"),
        ({"attacks": [PGD, PGD]}, "two cells are the same"),
    ],
)
def test_wrong_names_are_met_with_the_nearest(change: dict[str, Any], words: str):
    with pytest.raises(UsageError) as caught:
        planned(**change)
    assert words in str(caught.value)


def test_an_attack_that_cannot_do_with_the_questions_says_so_before_any_is_asked():
    typo = {"name": "typo", "goal": "targeted"}
    with pytest.raises(RecipeError, match=r"typo on toy/brighter.*does not name.*give `ask`"):
        planned(attacks=[typo])
    told = {**typo, "words": "{thing}", "ask": "do what the picture says"}
    assert arms(planned(attacks=[told])) == ["typo none none"]


def test_only_keeps_the_cells_that_say_so():
    made = planned(defenses=["none", "jpeg"])
    assert arms(made.only({"defense": "jpeg", "eps": "8"})) == [
        "pgd oblivious jpeg",
        "pgd adaptive jpeg",
    ]
    assert arms(made.only({"goal": "none", "defense": "none"})) == ["none none none"]
    with pytest.raises(UnknownName, match="did you mean defense"):
        made.only({"defence": "jpeg"})
    with pytest.raises(UnknownName, match="did you mean adaptive"):
        made.only({"access": "adaptve"})
    with pytest.raises(RecipeError, match="no cell"):
        made.only({"attack": "none", "access": "adaptive"})


def test_the_parts_of_a_limit_do_not_change_a_cells_name():
    few = planned(benchmarks=[{**BRIGHTER, "limit": 3}])
    assert len(few.cells[0].samples) == 3
    assert few.cells[0].digest == planned().cells[0].digest


def test_work_is_counted_once():
    made = planned(defenses=["none", {"name": "majority", "copies": 3}], attacks=["none", PGD])
    todo = [(w.answers, w.checks, w.gradients) for w in work(made, Parts())]
    n = 24
    assert todo == [
        (n, 0, 0),
        (4 * n, 0, 0),  # three votes for eligibility and the evaluation's own seed
        (n, 2 * n, 10 * n),
        (n, 0, 0),  # the same images again
        (n, 3 * 2 * n, 2 * 10 * n),  # confirmed by three seeds, EOT over two
    ]


def test_the_work_of_an_attack_that_only_asks_is_its_budget():
    made = planned(attacks=[{"name": "square", "goal": "untargeted", "queries": 70}])
    (todo,) = work(made, Parts())
    assert (todo.checks, todo.gradients) == (24 * 70, 0)


@pytest.mark.parametrize(
    ("defense", "match"),
    [
        ({"name": "safety-prompt", "wording": "none.txt"}, "no prompt file"),
        ({"name": "smoothguard", "embedder": "wrods"}, "words"),
        ({"name": "smoothguard", "sigma": -0.1}, "0 to 1"),
        ({"name": "adashield-a", "encoder": "world/clip-surrogate"}, "train it again"),
    ],
)
def test_a_defence_that_cannot_be_built_stops_the_plan(defense, match: str):
    with pytest.raises(SalletError, match=match):
        planned(defenses=[defense])
