"""Every attack that searches, on a tiny checkpoint of each real class: it runs, the loss falls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch

from sallet import catalog
from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.judges.rules import Rules
from sallet.models import parity, tiny
from sallet.models.local import HFModel

ELSEWHERE = {
    "none": "changes nothing",
    "uniform-noise": "searches nothing",
    "template": "searches nothing: shapes in turn",
    "figstep": "searches nothing",
    "typo": "searches nothing",
    "mislabel": "searches nothing",
    "pgd-vote": "needs a defence that votes; see test_voters",
    "scaling": "moves pixels towards a word, not a loss down; see test_scaling",
}
"""Attacks that are not here, and why."""
WORDS = "the red cat is near the house"
SETTINGS: dict[str, dict[str, Any]] = {
    "pgd": {"eps": 16, "steps": 12},
    "apgd": {"eps": 16, "steps": 12},
    "low-frequency": {"eps": 32, "steps": 12, "grid": 8},
    "patch": {"steps": 12, "side": 0.5},
    "universal": {"steps": 12, "form": "change", "pairs": 2, "check_every": 12},
    "hijack": {"behaviour": "string", "text": WORDS, "steps": 12, "pairs": 2, "check_every": 12},
    "square": {"eps": 32, "queries": 40},
    "nes": {"eps": 32, "queries": 60, "grid": 4},
    "strongest": {"eps": 16, "members": "pgd:steps=6,square:queries=20"},
    "joint": {"eps": 16, "steps": 6, "words": 1, "candidates": 4},
    "bimodal": {"eps": 16, "steps": 8, "rounds": 1, "text": "word-swap"},
    "word-swap": {"words": 1, "candidates": 8},
    "gcg": {"steps": 8, "length": 6, "top": 16, "width": 16, "check_every": 8},
}
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], HFModel]]:
    @cache
    def loaded(family: str) -> HFModel:
        return HFModel.from_pretrained(tiny.save(family, tmp_path_factory.mktemp("tiny") / family))

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield loaded
    torch.set_num_threads(before)


def test_no_attack_is_forgotten():
    assert {*SETTINGS, *ELSEWHERE} == {*catalog.ATTACKS}


@dataclass
class Loss:
    """The mean loss of some queries, before an attack and after."""

    model: HFModel
    goals: list[Goal]

    @torch.no_grad()
    def __call__(self, queries: list[Query]) -> float:
        return float(self.model.loss(queries, self.goals).mean())


@pytest.mark.parametrize("attack", SETTINGS)
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_it_runs_and_the_loss_falls(
    family: str, attack: str, load: Callable[[str], HFModel]
) -> None:
    model = load(family)
    queries = [
        Query.ask(Image(parity.photograph(60, 60, seed=i)), "what is this please?")
        for i in range(2)
    ]
    one = catalog.build("attack", attack, **SETTINGS[attack])
    goal = Goal.stop_refusing(WORDS, "cat") if attack == "bimodal" else Goal.say(WORDS)
    loss = Loss(model, [goal] * len(queries))
    before = loss(queries)
    made = one(model, queries, loss.goals, judge=Rules(), seed=0)
    hostile = [each.query for each in made]
    if attack == "bimodal":  # the picture is for an agreeing beginning of its own choice
        assert all(each.end < each.start for each in made)
    else:
        assert loss(hostile) < before
    assert all(hostile[i].digest != queries[i].digest for i in range(2))
