"""Training: a killed run goes on along the same curve, and packing changes no loss."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, CLIPVisionModel

from sallet.world.check import chat
from sallet.world.families import items
from sallet.world.language import DENSE_WEIGHT, Pupil, Teacher
from sallet.world.lessons import lesson
from sallet.world.loop import Stage, TrainingError, fit, one_cycle
from sallet.world.models import path
from sallet.world.questions import with_safety
from sallet.world.render import render
from sallet.world.tower import (
    DenseTower,
    Pictures,
    crowds,
    dense_loss,
    normal,
    patch_accuracy,
    vision_config,
)
from sallet.world.train import language_stage, pupil_of, tower_stage, train


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(path("world/llava-strong"), local_files_only=True)


def dense() -> DenseTower:
    torch.manual_seed(0)
    return DenseTower(CLIPVisionModel._from_config(vision_config(), attn_implementation="eager"))


def pupil(processor) -> Pupil:
    tower = dense()
    torch.manual_seed(1)
    return pupil_of(tower, processor)


def stage(processor) -> Stage:
    return language_stage(pupil(processor), processor, 0, 4, 2)


def test_a_stopped_run_goes_on_along_the_same_curve(processor, tmp_path: Path) -> None:
    whole = fit(stage(processor), tmp_path / "a", workers=0)
    first = fit(stage(processor), tmp_path / "b", workers=0, stop=2)
    rest = fit(stage(processor), tmp_path / "b", workers=0)
    assert len(whole) == 4
    assert first + rest == pytest.approx(whole, rel=1e-4)
    curves = [(tmp_path / f / "language.jsonl").read_text().splitlines() for f in "ab"]
    assert len(curves[0]) == len(curves[1]) == 4


def test_an_interrupt_saves_a_whole_step(processor, tmp_path: Path) -> None:
    assert threading.current_thread() is threading.main_thread()
    made = tower_stage(dense(), 0, 5, 2)

    def interrupt(_: str, step: int, __: int, ___: float) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(made, tmp_path, workers=0, report=interrupt)
    assert len(fit(tower_stage(dense(), 0, 5, 2), tmp_path, workers=0)) == 3


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    fit(tower_stage(dense(), 0, 2, 2), tmp_path, workers=0)
    with pytest.raises(TrainingError, match="2 steps"):
        fit(tower_stage(dense(), 0, 3, 2), tmp_path, workers=0)


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch) -> None:
    fit(tower_stage(dense(), 0, 3, 2), tmp_path, workers=0, stop=1)
    before = (tmp_path / "tower.ckpt").read_bytes()
    (tmp_path / "tower.new").mkdir()  # nothing can be written there
    with pytest.raises((TrainingError, OSError)):
        fit(tower_stage(dense(), 0, 3, 2), tmp_path, workers=0)
    assert (tmp_path / "tower.ckpt").read_bytes() == before


def test_a_loader_process_draws_the_same_batches() -> None:
    draw = partial(crowds, seed=3, size=2)
    assert torch.equal(draw(7).pixels, draw(7).pixels)
    assert not torch.equal(draw(7).pixels, draw(8).pixels)


def test_packing_changes_no_loss(processor) -> None:
    made = pupil(processor).eval()
    teacher = Teacher(processor.tokenizer, seed=0, size=1)
    asked = next(found for seed in range(50) if len(found := lesson(seed)) == 3)

    def answers(*rows) -> torch.Tensor:
        packed = teacher.pack(list(rows))
        with torch.no_grad():
            full = made.loss(packed)
            states = made.model.model.vision_tower(
                pixel_values=normal(packed.pictures.pixels)
            ).last_hidden_state[:, 1:]
            dense_part = DENSE_WEIGHT * dense_loss(made.head(states), packed.pictures.labels)
        return (full - dense_part) * (packed.targets >= 0).sum()

    together = answers(asked)
    alone = sum(answers((item,)) for item in asked)
    assert together.item() == pytest.approx(float(alone), rel=2e-3)


def test_rows_are_what_the_chat_template_makes(processor) -> None:
    teacher = Teacher(processor.tokenizer, seed=0, size=1)
    for item in (items("picture", 1)[0], with_safety(items("picture", 2)[1], "be safe.")):
        messages = [*chat(item, render(item.scene)), {"role": "assistant", "content": item.answer}]
        made = processor.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_tensors="pt"
        )
        assert made["input_ids"][0].tolist() == teacher.pack([(item,)]).tokens[0].tolist()


def test_one_cycle_rises_and_falls() -> None:
    rates = [one_cycle(step, 100, 1.0) for step in range(100)]
    assert max(rates) == pytest.approx(1.0, abs=0.02)
    assert rates[0] < 0.2
    assert rates[-1] < 0.02


def test_patch_accuracy_is_a_share_of_each_kind() -> None:
    pictures: Pictures = crowds(0, seed=0, size=4)
    found = patch_accuracy(dense().eval(), pictures)
    assert set(found) == {"background", "things", "letters"}
    assert all(0 <= share <= 1 for share in found.values())


def test_a_tiny_run_exports_a_folder_that_loads(tmp_path: Path) -> None:
    folder = train(tmp_path, tower_steps=1, language_steps=1, batch=2, workers=0)
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    assert next(model.parameters()).dtype == torch.bfloat16
    assert (tmp_path / "processor" / "tokenizer.json").is_file()
    again = train(tmp_path, tower_steps=1, language_steps=1, batch=2, workers=0)
    assert again == folder
