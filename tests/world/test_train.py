"""Training: a killed run goes on along the same curve, and makes models that plain classes load."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from sallet.core.errors import UnknownName
from sallet.world.attention import LEAN
from sallet.world.check import chat
from sallet.world.families import items
from sallet.world.language import Pupil, Rows
from sallet.world.loop import Stage, TrainingError, fit, one_cycle
from sallet.world.makes import MAKES, make
from sallet.world.processor import processor
from sallet.world.render import CLASSES, render, seen
from sallet.world.tower import (
    BLURRED,
    NOISY,
    DenseTower,
    Pictures,
    crowds,
    patch_accuracy,
    spoilt,
)
from sallet.world.train import (
    export,
    language_stage,
    lean,
    pupil_of,
    tower_stage,
    train,
    weak_stage,
    words_stage,
)


@pytest.fixture(scope="module")
def processors() -> dict[str, Any]:
    return {name: processor(make(name)) for name in MAKES}


def dense(name: str = "llava") -> DenseTower:
    torch.manual_seed(0)
    return DenseTower(make(name), lean(make(name).tower()))


def pupil(made: Any, name: str = "llava") -> Pupil:
    tower = dense(name)
    torch.manual_seed(1)
    return pupil_of(tower, made)


def stage(which: str, name: str, made: Any) -> Stage[Any]:
    if which == "tower":
        return tower_stage(dense(name), 0, 4, 2)
    kinds = {"words": words_stage, "language": language_stage, "weak": weak_stage}
    return kinds[which](pupil(made, name), made, 0, 4, 2)


@pytest.mark.parametrize(
    ("which", "name"),
    [
        *(("language", name) for name in MAKES),
        ("tower", "qwen3vl"),
        ("words", "qwen3vl"),
        ("weak", "llava"),
    ],
)
def test_a_stopped_run_goes_on_along_the_same_curve(
    which: str, name: str, processors: dict[str, Any], tmp_path: Path
) -> None:
    made = processors[name]
    whole = fit(stage(which, name, made), tmp_path / "a", workers=0)
    first = fit(stage(which, name, made), tmp_path / "b", workers=0, stop=2)
    rest = fit(stage(which, name, made), tmp_path / "b", workers=0)
    assert len(whole) == 4
    assert len(set(whole)) == 4
    assert first + rest == pytest.approx(whole, rel=1e-4)
    curves = [(tmp_path / f / f"{which}.jsonl").read_text().splitlines() for f in "ab"]
    assert len(curves[0]) == len(curves[1]) == 4


def test_the_weak_ones_lessons_are_its_own(processors: dict[str, Any]) -> None:
    made = processors["llava"]
    strong, weak = (stage(which, "llava", made).batch(0) for which in ("language", "weak"))
    assert isinstance(strong[0], Rows)
    shown, other = strong[0].pictures, weak[0].pictures
    assert shown is not None
    assert other is not None
    assert not torch.equal(shown.pixels, other.pixels)


def test_words_alone_teach_the_language_tower(processors: dict[str, Any]) -> None:
    for name, made in processors.items():
        chosen = stage("words", name, made)
        parts = chosen.batch(0)
        assert all(rows.pictures is None for rows in parts)
        chosen.loss(parts).backward()
        model = chosen.module.model.model
        assert model.language_model.layers[0].self_attn.q_proj.weight.grad.abs().max() > 0
        assert all(p.grad is None for p in make(name).inside(chosen.module.model).parameters())


def test_the_tower_within_a_model_learns_slowly(processors: dict[str, Any]) -> None:
    for name, made in processors.items():
        chosen = stage("language", name, made)
        inside = sum(p.numel() for p in make(name).inside(chosen.module.model).parameters())
        slow = sum(
            p.numel() for n, p in chosen.module.named_parameters() if n.startswith(chosen.slow)
        )
        assert slow == inside + sum(p.numel() for p in chosen.module.head.parameters())


def test_an_interrupt_saves_a_whole_step(tmp_path: Path) -> None:
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


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    fit(tower_stage(dense(), 0, 3, 2), tmp_path, workers=0, stop=1)
    before = (tmp_path / "tower.ckpt").read_bytes()
    (tmp_path / "tower.new").mkdir()  # nothing can be written there
    with pytest.raises((TrainingError, OSError)):
        fit(tower_stage(dense(), 0, 3, 2), tmp_path, workers=0)
    assert (tmp_path / "tower.ckpt").read_bytes() == before


def test_a_step_draws_the_same_batch_again() -> None:
    draw = partial(crowds, seed=3, size=2)
    assert torch.equal(draw(7).pixels, draw(7).pixels)
    assert not torch.equal(draw(7).pixels, draw(8).pixels)
    assert not torch.equal(draw(7).pixels, crowds(7, seed=4, size=2).pixels)


def test_some_pictures_are_spoilt_by_their_seed() -> None:
    picture = seen(items("where", 1)[0].scene)
    made = [spoilt(seed, picture) for seed in range(400)]
    changed = sum(one is not picture for one in made) / len(made)
    assert changed == pytest.approx(NOISY + BLURRED, abs=0.08)
    assert all((spoilt(seed, picture) == made[seed]).all() for seed in range(40))
    assert all(one.dtype == picture.dtype and one.shape == picture.shape for one in made)


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
    assert int(pictures.labels.max()) < len(CLASSES)


def test_a_run_makes_a_strong_and_a_weak_model(tiny: Path) -> None:
    states = []
    for character in ("strong", "weak"):
        model = AutoModelForImageTextToText.from_pretrained(tiny / character, local_files_only=True)
        assert next(model.parameters()).dtype == torch.bfloat16
        assert not model.generation_config.do_sample
        assert LEAN not in (tiny / character / "config.json").read_text(encoding="utf-8")
        states.append(model.state_dict())
    assert any(not torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert (tiny / "processor" / "tokenizer.json").is_file()


@pytest.mark.parametrize("name", MAKES)
def test_every_make_exports_a_folder_that_answers(
    name: str, processors: dict[str, Any], tmp_path: Path
) -> None:
    kept = pupil(processors[name], name).model
    folder = export(kept, processors[name], tmp_path / name)
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32
    )
    made = AutoProcessor.from_pretrained(folder, local_files_only=True)
    assert type(loaded) is type(kept)
    assert type(made) is type(processors[name])
    assert (folder / "model.safetensors").stat().st_size <= 6_000_000
    for key, value in kept.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value.to(torch.bfloat16).float())
    item = items("multi-image", 1)[0]
    inputs = made.apply_chat_template(
        chat(item, [render(s) for s in item.scenes]),
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        out = loaded.generate(**inputs, max_new_tokens=3)
    assert out.shape[1] > inputs["input_ids"].shape[1]


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    stages: list[str] = []

    def progress(name: str, _: int, __: int, ___: float) -> None:
        stages.append(name)

    run = partial(
        train, tmp_path, name="internvl", tower_steps=1, words_steps=1, language_steps=1,
        weak_steps=0, batch=2, progress=progress, preview=tmp_path / "preview",
    )  # fmt: skip
    folders = run()
    assert folders == (tmp_path / "strong",)
    assert stages == ["tower", "words", "language"]
    assert (tmp_path / "preview" / "config.json").is_file()
    words = (tmp_path / "processor" / "tokenizer.json").read_bytes()
    weights = (tmp_path / "strong" / "model.safetensors").read_bytes()
    assert run() == folders
    assert stages == ["tower", "words", "language"]
    assert (tmp_path / "processor" / "tokenizer.json").read_bytes() == words
    assert (tmp_path / "strong" / "model.safetensors").read_bytes() == weights


def test_a_run_goes_on_from_an_exported_model(tiny: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    train(
        tmp_path, seed=1, start=tiny / "strong", language_steps=1, weak_steps=0, batch=2,
        progress=lambda name, *_: stages.append(name),
    )  # fmt: skip
    assert stages == ["language"]
    before, after = (
        AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True).state_dict()
        for folder in (tiny / "strong", tmp_path / "strong")
    )
    moved = max(float((after[k].float() - x.float()).abs().max()) for k, x in before.items())
    assert 0 < moved < 0.01  # one step away from there, not from this seed's random weights
    words = [folder / "tokenizer.json" for folder in (tiny / "strong", tmp_path / "strong")]
    assert words[0].read_bytes() == words[1].read_bytes()


def test_a_run_refuses_to_go_on_from_another_make(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected a qwen3vl"):
        train(tmp_path, name="qwen3vl", start=tiny / "strong", language_steps=1)
    with pytest.raises(TrainingError, match="exported model"):
        train(tmp_path / "b", start=tmp_path / "nothing", language_steps=1)


def test_mistakes_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="llava"):
        train(tmp_path, name="lava", tower_steps=1)
    with pytest.raises(TrainingError, match="seed"):
        train(tmp_path, seed=-1, tower_steps=1)
    assert not list(tmp_path.glob("*.ckpt"))
