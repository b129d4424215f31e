"""Each flag is raised by the fault it is for, in a whole evaluation, and by no sound defence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from sallet.core.errors import RecipeError
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query
from sallet.harness.summary import summarize
from sallet.runs.parse import parse
from tests.harness.fakes import BRIGHTER, LAMP
from tests.harness.test_evaluate import run

HERE = "tests.harness.test_flags"
PGD = {"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 8, "check_every": 4}


@dataclass
class Sound:
    """What a planted fault is added to."""

    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return type(self).__name__.lower()


@dataclass
class Rounds(Sound):
    """Claims a full gradient, and rounds to few grey levels: its gradient is zero."""

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.map_images(lambda image: image.view(lambda seen: (seen * 24).round() / 24))


@dataclass
class Wall(Sound):
    """Refuses everybody."""

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return Answer("no", refused_by="defense:wall")


@dataclass
class Backwards(Sound):
    """Its backward pass points the wrong way: the descent climbs."""

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.map_images(lambda image: image.view(lambda seen: 2 * seen.detach() - seen))


@dataclass
class Tires(Sound):
    """Turns a little darker each time that it is asked."""

    calls: list[int] = field(default_factory=lambda: [0])

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        self.calls[0] += 1
        shown = 1 - min(self.calls[0], 40) / 50
        return query.map_images(lambda image: image.view(lambda seen: seen * shown))


@dataclass
class Shaken(Sound):
    """Random, and soundly seeded."""

    stochastic: ClassVar[bool] = True

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        def shaken(seen: Tensor) -> Tensor:
            generator = torch.Generator().manual_seed(query.defense_seed)
            return (seen + 0.01 * torch.randn(seen.shape, generator=generator)).clamp(0, 1)

        return query.map_images(lambda image: image.view(shaken))


def defense(name: str) -> dict[str, Any]:
    return {"name": name.lower(), "target": f"{HERE}:{name}"}


def cells(
    folder: Path, defenses: list[Any], attacks: list[Any], limit: int = 20, **more: Any
) -> list[dict]:
    recipe = {
        "name": "flags",
        "models": [LAMP],
        "benchmarks": [{**BRIGHTER, "limit": limit}],
        "attacks": attacks,
        "defenses": defenses,
        **more,
    }
    store = run(folder / "run", recipe)
    return summarize(store.manifest, store.rows)["cells"]


def adaptive(found: list[dict]) -> dict[str, set[str]]:
    """The flags of each defence's adaptive cells."""
    return {c["defense"]: set(c["flags"]) for c in found if c["access"] == "adaptive"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    names = ("Rounds", "Wall", "Backwards", "Tires", "Shaken")
    faults = [defense(name) for name in names]
    return cells(tmp_path_factory.mktemp("planted"), [*faults, "jpeg"], [PGD])


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("rounds", "zero-gradient"),
        ("wall", "refused-always"),
        ("backwards", "loss-not-falling"),
        ("tires", "state-between-calls"),
        ("jpeg", "straight-through"),
    ],
)
def test_a_planted_fault_raises_its_flag(planted: list[dict], name: str, flag: str):
    assert flag in adaptive(planted)[name]


def test_a_state_is_said_of_the_one_that_has_it_alone(planted: list[dict]):
    found = adaptive(planted)
    assert [name for name in found if "state-between-calls" in found[name]] == ["tires"]


def test_sound_defences_raise_none(tmp_path: Path):
    attacks = [{**PGD, "eps": eps} for eps in (24, 64)]
    noise = {"name": "uniform-noise", "goal": "untargeted", "eps": 24}
    square = {"name": "square", "goal": "untargeted", "eps": 24, "queries": 100}
    sound = ["resize", {"name": "noise", "sigma": 0.01}, defense("Shaken")]
    found = cells(tmp_path, ["none", *sound], [*attacks, noise, square], limit=60)
    seen = [c for c in found if c["access"] in ("adaptive", "oblivious")]
    assert len(seen) == 3 * 4 + 3 * 3
    assert {(c["defense"], c["access"], c["attack"], tuple(c["flags"])) for c in seen} == {
        (c["defense"], c["access"], c["attack"], ()) for c in seen
    }


def test_a_random_defence_without_an_average(tmp_path: Path):
    found = cells(tmp_path, [defense("Shaken")], [{**PGD, "eot": 1, "eot_most": 1}])
    assert "random-without-eot" in adaptive(found)["shaken"]


def test_a_masked_gradient_is_given_away_by_queries_and_by_a_huge_budget(tmp_path: Path):
    square = {"name": "square", "goal": "untargeted", "eps": 64, "queries": 200}
    found = cells(
        tmp_path, [defense("Rounds")], [{**PGD, "eps": 64, "random_start": False}, square]
    )
    (pgd,) = (c for c in found if c["attack"] == "pgd" and c["access"] == "adaptive")
    assert {"huge-eps-not-total", "black-box-beats-white-box"} <= set(pgd["flags"])
    (asked,) = (c for c in found if c["attack"] == "square" and c["access"] == "adaptive")
    assert "black-box-beats-white-box" not in asked["flags"]


def test_an_ensemble_whose_queries_break_what_its_gradients_did_not(tmp_path: Path):
    members = "pgd:steps=4:random_start=false,square:queries=200"
    attack = {"name": "strongest", "goal": "untargeted", "eps": 64, "members": members}
    found = cells(tmp_path, ["none", defense("Rounds")], [attack])
    by = {(c["defense"], c["access"]): c for c in found}
    masked, open_ = by["rounds", "adaptive"], by["none", "oblivious"]
    assert masked["broken_by"].get("square:queries=200", 0) > 1
    assert "black-box-beats-white-box" in masked["flags"]
    assert set(open_["broken_by"]) == {"pgd:steps=4:random_start=false"}
    assert open_["flags"] == []


def test_a_seed_that_everybody_knows_is_a_mode_of_its_own(tmp_path: Path):
    found = cells(tmp_path, ["none", defense("Shaken")], [PGD], fixed_seed=True)
    flags = {(c["defense"], c["access"]): c["flags"] for c in found}
    assert flags["shaken", "adaptive"] == ["fixed-seed"]
    assert flags["none", "oblivious"] == []
    store = [c for c in found if c["defense"] == "shaken" and c["access"] == "adaptive"]
    assert store[0]["params"]["evaluation.fixed_seed"] is True


def test_a_known_seed_cannot_be_submitted_again():
    with pytest.raises(RecipeError, match="fixed_seed"):
        parse({"name": "x", "models": ["m"], "benchmarks": ["b"], "attacks": ["none"],
               "fixed_seed": True, "resubmissions": 10})  # fmt: skip


def test_the_resubmission_curve_only_rises_and_ends_at_the_rate(tmp_path: Path):
    found = cells(tmp_path, [{"name": "noise", "sigma": 0.1}], [{**PGD, "eps": 3}], resubmissions=6)
    (cell,) = (c for c in found if c["access"] == "adaptive")
    curve = [point[0] for point in cell["resubmission_curve"]]
    assert len(curve) == 6
    assert curve == sorted(curve)
    assert curve[0] < curve[-1] == cell["asr"][0]
