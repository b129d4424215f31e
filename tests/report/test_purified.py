"""What a defence makes of a picture: the very one that the model is shown, kept for the page."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sallet import catalog
from sallet.api import evaluate
from sallet.core.guarded import Guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Failure, Query
from sallet.report import page
from sallet.report.purified import purified
from tests.harness.fakes import BRIGHTER, LAMP

PICTURE = Image(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))
ASKED = Query.ask(PICTURE, "which half ?").with_defense_seed(5)


class Looker:
    """Keeps what it is shown."""

    name = "looker"

    def __init__(self) -> None:
        self.shown: list[Query] = []

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        self.shown += queries
        return [Answer("seen") for _ in queries]


@pytest.mark.parametrize("name", ["jpeg", "noise", "blur", "safety-prompt+bit-depth"])
def test_it_is_the_picture_that_the_model_is_shown(name: str):
    defense, model = catalog.defense(name), Looker()
    Guarded(model, defense).answer([ASKED])
    (made,) = purified(defense, ASKED)
    assert made.digest == model.shown[0].images[0].digest
    assert made.digest != PICTURE.digest


@pytest.mark.parametrize("name", ["none", "safety-prompt", "majority"])
def test_who_changes_no_picture_makes_none(name: str):
    assert purified(catalog.defense(name), ASKED) == []


def test_the_report_shows_it_beside_the_hostile_one(tmp_path: Path):
    data = {
        "models": [LAMP],
        "benchmarks": [BRIGHTER],
        "attacks": [{"name": "pgd", "goal": "untargeted", "eps": 8, "steps": 6}],
        "defenses": ["none", "jpeg", "majority"],
    }
    run = evaluate(data, tmp_path / "run")
    kept = {path.name: path.read_bytes() for path in (run.folder / "artifacts/purified").iterdir()}
    assert kept
    html = run.report().read_text(encoding="utf-8")
    assert html.count('alt="the image after jpeg"') == len(kept)
    assert "after majority" not in html
    again = evaluate(data, tmp_path / "run", resume=True)
    assert {path.name for path in (again.folder / "artifacts/purified").iterdir()} == {*kept}


def test_a_run_without_its_pictures_ends_all_the_same(tmp_path: Path):
    data = {"models": [LAMP], "benchmarks": [BRIGHTER], "defenses": ["none", "jpeg"],
            "attacks": [{"name": "uniform-noise", "goal": "untargeted", "eps": 40}]}  # fmt: skip
    run = evaluate(data, tmp_path / "run")
    shutil.rmtree(run.folder / "artifacts")
    again = evaluate(data, tmp_path / "run", resume=True)
    assert len(again.rows) == len(run.rows)
    assert "were not kept" in page.write(again.folder).read_text(encoding="utf-8")
