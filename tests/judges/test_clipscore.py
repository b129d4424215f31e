"""CLIPScore with the shipped encoder: the paper's formula, on true captions and on wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image as Pil

from sallet import catalog
from sallet.api import evaluate, score
from sallet.core.errors import UsageError
from sallet.core.goal import Goal, Outcome
from sallet.core.query import Answer, Failure, Query
from sallet.core.sample import Sample
from sallet.judges.official import clipscore
from sallet.judges.official.clipscore import ClipScore
from sallet.judges.official.totals import Judged, values
from sallet.world import models
from tests.benchmarks.made import MADE
from tests.harness.fakes import LAMP

hf: Any = transformers


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return catalog.build("benchmark", "world/caption").samples(16, 0)


@pytest.fixture(scope="module")
def judge() -> ClipScore:
    return catalog.build("judge", "clipscore", model="world/clip")


def test_the_mark_is_the_papers_formula(judge: ClipScore, samples: list[Sample]):
    folder = models.path("world/clip")
    model = hf.CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = hf.AutoProcessor.from_pretrained(folder)
    sample = samples[0]
    said, people = sample.reference[1], sample.reference[:1]
    goal = Goal.stop_saying(*people)
    found = judge.judge(sample.query, Answer(said), goal)
    texts = [f"A photo depicts {text}" for text in (said, *people)]
    picture = Pil.fromarray(sample.query.images[0].pixels())
    inputs = processor(text=texts, images=[picture], padding=True, return_tensors="pt")
    with torch.no_grad():
        seen = model(**inputs)
    shown, (own, other) = seen.image_embeds[0], seen.text_embeds
    assert found.score == pytest.approx(2.5 * max(0, float(shown @ own)), abs=1e-4)
    assert found.against == pytest.approx(float(own @ other), abs=1e-4)


def test_a_pictures_own_caption_has_the_higher_mark(judge: ClipScore, samples: list[Sample]):
    own = [(s.query, Answer(s.reference[0]), s.default) for s in samples]
    turned = [*samples[1:], samples[0]]
    others = [
        (s.query, Answer(o.reference[0]), s.default) for s, o in zip(samples, turned, strict=True)
    ]
    marks = np.array([[v.score for v in judge.judge_all(items)] for items in (own, others)], float)
    assert (marks[0] > marks[1]).mean() > 0.8
    assert marks[0].mean() > 2 * marks[1].mean()


def test_many_captions_are_marked_as_one_by_one(judge: ClipScore, samples: list[Sample]):
    items = [(s.query, Answer(s.reference[0]), s.default) for s in samples]
    pooled = judge.judge_all(items)
    for item, together in zip(items, pooled, strict=True):
        alone = judge.judge(*item)
        assert (alone.outcome, alone.right) == (together.outcome, together.right)
        assert alone.score == pytest.approx(together.score, abs=1e-5)


def test_without_a_picture_or_a_word_there_is_no_mark(judge: ClipScore, samples: list[Sample]):
    query, goal = samples[0].query, samples[0].default
    for verdict in (
        judge.judge(Query.ask("what is it ?"), Answer("a cat"), goal),
        judge.judge(query, Answer("", finish="length"), goal),
        judge.judge(query, Failure(RuntimeError("gone")), goal),
        judge.judge(query, Answer("a cat"), Goal.say("a cat", "a cat")),
    ):
        assert verdict.score is None
    lost = judge.judge(query, Failure(RuntimeError("gone")), goal)
    assert lost.outcome is Outcome.UNASSESSED


def test_the_figures_of_a_cell_are_means_over_its_marks():
    rows = [
        Judged("a cat on a mat", ("a cat",), score=0.5, against=0.5),
        Judged("a dog on a mat", ("a dog",), score=1.0, against=-0.2),
        Judged("", ("a ship",)),
    ]
    found = values(clipscore.totals(rows), rows)
    assert found["clipscore"] == pytest.approx(0.75)
    assert found["ref_clipscore"] == pytest.approx(0.25), "harmonic: 0.5 and 0"
    assert "cider" in found


def test_it_says_which_encoder_to_name():
    with pytest.raises(UsageError, match="clipscore@world/clip"):
        ClipScore().check()


def test_a_run_of_captions_is_scored_with_an_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LAMP_SAYS", "a cat at the left")
    own = MADE["coco-captions"](tmp_path / "coco")
    spec = {"name": "coco-captions", "path": str(tmp_path / "coco"), **own}
    run = evaluate({"models": [LAMP], "benchmarks": [spec]}, tmp_path / "run")
    again = score(run, "clipscore@world/clip")
    (cell,) = again.cells
    value, low, high = cell.official["clipscore"]
    assert 0 <= low <= value <= high <= 2.5
    assert {"cider", "ref_clipscore"} < {*cell.official}
    assert all(row.score is not None for row in again.rows)
