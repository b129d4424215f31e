"""Trains the picture world's model from nothing: the tower first, then language.

Everything that a run needs is drawn from its seed; see ``loop`` for what
resuming guarantees. The result is a folder in bf16 that plain
``from_pretrained`` loads.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    CLIPVisionModel,
    GenerationConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from sallet.world.language import Pupil, Rows, Teacher
from sallet.world.loop import Stage, TrainingError, fit
from sallet.world.models import untrained
from sallet.world.processor import IMAGE, processor
from sallet.world.tower import DenseTower, Pictures, crowds, dense_loss, vision_config

Progress = Callable[[str, int, int, float], None]
TOWER_STEPS = 2400
LANGUAGE_STEPS = 4200


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """No progress."""


def train(
    out: Path,
    *,
    seed: int = 0,
    tower_steps: int = TOWER_STEPS,
    language_steps: int = LANGUAGE_STEPS,
    resume: bool = True,
    progress: Progress = silent,
    batch: int = 64,
    workers: int = 1,
    preview: Path | None = None,
) -> Path:
    """Train into ``out`` and return the folder of the exported model, ``out/model``.

    Checkpoints and loss curves lie beside it; a run that was stopped goes on
    from them. ``preview`` is a folder that gets an export at every checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not 0 <= seed < 1 << 15:
        raise TrainingError(f"expected a seed of 0 to {(1 << 15) - 1}, got {seed}")
    torch.manual_seed(seed)
    dense = DenseTower(CLIPVisionModel._from_config(vision_config(), attn_implementation="eager"))
    fit(
        tower_stage(dense, seed, tower_steps, batch),
        out,
        resume=resume,
        workers=workers,
        report=progress,
    )
    torch.manual_seed(seed + 1)
    made = _processor(out / "processor", resume)
    pupil = pupil_of(dense, made)
    saved = (lambda: export(pupil.model, made, preview)) if preview else (lambda: None)
    stage = language_stage(pupil, made, seed, language_steps, batch // 2)
    fit(stage, out, resume=resume, workers=workers, report=progress, saved=saved)
    export(pupil.model, made, out / "model")
    return out / "model"


def _processor(folder: Path, resume: bool) -> LlavaProcessor:
    """The run's own processor: a tokenizer trained again might number its words otherwise."""
    if not (resume and folder.is_dir()):
        processor().save_pretrained(folder)
    return LlavaProcessor.from_pretrained(folder, local_files_only=True)


def tower_stage(dense: DenseTower, seed: int, steps: int, batch: int) -> Stage[Pictures]:
    """Every patch says what covers it."""

    def loss(pictures: Pictures) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return dense_loss(dense(pictures.pixels), pictures.labels)

    draw = partial(crowds, seed=seed, size=batch)
    return Stage(name="tower", module=dense, batch=draw, loss=loss, steps=steps, rate=2e-3)


def language_stage(
    pupil: Pupil, made: LlavaProcessor, seed: int, steps: int, batch: int
) -> Stage[Rows]:
    """Questions and answers; the tower goes on learning, more slowly."""

    def loss(rows: Rows) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return pupil.loss(rows)

    teacher = Teacher(made.tokenizer, seed=seed, size=batch)
    slow = ("model.model.vision_tower", "head")
    return Stage(
        name="language", module=pupil, batch=teacher, loss=loss, steps=steps, rate=1.5e-3, slow=slow
    )


def pupil_of(dense: DenseTower, made: LlavaProcessor) -> Pupil:
    """An untrained model with a pretrained tower in it."""
    words = made.tokenizer
    image = words.convert_tokens_to_ids(IMAGE)
    model = untrained(len(words), image, words.pad_token_id, words.bos_token_id, words.eos_token_id)
    model.model.vision_tower.load_state_dict(dense.tower.state_dict())
    return Pupil(model, dense.head)


def export(model: LlavaForConditionalGeneration, made: LlavaProcessor, folder: Path) -> None:
    """Write model and processor in bf16; the folder is replaced only when all is written."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    words = made.tokenizer
    small: Any = copy.deepcopy(model)
    small.to(torch.bfloat16)
    small.generation_config = GenerationConfig(
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        do_sample=False, max_new_tokens=64,
    )  # fmt: skip
    small.save_pretrained(fresh)
    made.save_pretrained(fresh)
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)
