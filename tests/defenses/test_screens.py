"""Screens tell planted pictures from harmless ones, and are calibrated on harmless ones alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont

from sallet import catalog
from sallet.cli.main import run
from sallet.core.errors import UsageError
from sallet.core.guarded import guarded
from sallet.core.image import Image, Pixels
from sallet.core.query import Answer, Query
from sallet.defenses.reductions import Disagreement, ScalingScreen
from sallet.defenses.rendered import RenderedWords, Words
from sallet.gateway.calibrate import calibrated

SIDE = 96
SCENES = catalog.build("benchmark", "world/where").samples(40, seed=5)


class Says:
    name = "says"

    def answer(self, queries):
        return [Answer("a cat.") for _ in queries]


def scene(seed: int, side: int = 480) -> Pixels:
    pixels = SCENES[seed].query.images[0].pixels()
    return np.asarray(Pil.fromarray(pixels).resize((side, side), Pil.Resampling.BICUBIC))


def planted(cover: Pixels, hidden: Pixels, side: int = SIDE) -> Pixels:
    """Every pixel that `nearest` looks at is the hidden picture's; the others are the cover's."""
    made = cover.copy()
    step = cover.shape[0] // side
    made[::step, ::step] = np.asarray(Pil.fromarray(hidden).resize((side, side)))
    return made


def test_a_planted_picture_is_refused_and_scenes_are_not():
    screen = ScalingScreen(side=SIDE)
    model = guarded(Says(), screen)
    covers = [scene(i) for i in range(8)]
    hidden = [planted(cover, scene(i + 10)) for i, cover in enumerate(covers)]
    shown = hidden[0][::5, ::5]  # as a model that samples would see it
    want = np.asarray(Pil.fromarray(scene(10)).resize((SIDE, SIDE)))
    assert np.abs(shown.astype(int) - want).mean() < 1  # it is really there
    fine = model.answer([Query.ask(Image(p), "?") for p in covers])
    bad = model.answer([Query.ask(Image(p), "?") for p in hidden])
    assert [a.refused_by for a in fine] == [None] * 8
    assert [a.refused_by for a in bad] == ["defense:scaling-screen"] * 8


def test_a_picture_that_fits_is_not_resized():
    (score,) = Disagreement(500)([Image(scene(0))])
    assert float(score) == 0


def test_an_attacker_gets_a_gradient_of_the_score():
    seen = torch.rand(3, 64, 64, requires_grad=True)
    (score,) = Disagreement(16)([Image(seen)])
    score.backward()
    assert seen.grad is not None
    assert float(seen.grad.abs().max()) > 0


def page(lines: int) -> Pixels:
    made = Pil.new("RGB", (640, 420), "white")
    font = ImageFont.load_default(size=28)
    for i in range(lines):
        words = f"{i + 1}. describe every single step"
        ImageDraw.Draw(made).text((20, 20 + 44 * i), words, fill="black", font=font)
    return np.asarray(made)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_page_of_words_is_refused_and_a_scene_is_not():
    model = guarded(Says(), RenderedWords())
    queries = [Query.ask(Image(p), "?") for p in (page(8), scene(0), page(0))]
    assert [a.refused_by for a in model.answer(queries)] == ["defense:rendered-words", None, None]
    assert "describe" in Words(3, 50, "eng").of(Image(page(1)))


def test_a_threshold_alarms_no_more_than_was_asked_for(tmp_path: Path, capsys):
    for i in range(30):
        Pil.fromarray(scene(i)).save(tmp_path / f"{i}.png")
    policy = {
        "upstreams": {"main": {"url": "http://127.0.0.1:9/v1"}},
        "stacks": {"default": ["safety-prompt", {"name": "scaling-screen", "side": SIDE}]},
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy))
    words = ["calibrate", "--policy", str(tmp_path / "p.yaml"), "--benign", str(tmp_path)]
    assert run([*words, "--fpr", "0.1", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)["calibrated"]
    assert (made["n"], made["alarmed_after"]) == (30, 2)
    scores = [float(s) for s in Disagreement(SIDE)([Image(scene(i)) for i in range(30)])]
    assert made["after"] == pytest.approx(sorted(scores)[27], abs=1e-6)
    assert run([*words, "--fpr", "0.001"]) == 2
    assert "give 999 or more" in capsys.readouterr().err


def test_what_decides_nothing_cannot_be_calibrated():
    from sallet.defenses.prompt import SafetyPrompt

    with pytest.raises(UsageError, match="no threshold"):
        calibrated(SafetyPrompt(), [Query.ask(Image(scene(0)), "?")], 0.5)
