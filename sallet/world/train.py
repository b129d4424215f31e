"""Trains a make of the picture world from nothing, in four stages.

A run makes two models. The *strong* one is trained straight through; the *weak*
one goes on from it with the answers of a model that was aligned carelessly (see
``lessons``). Everything is drawn from the run's seed; see ``loop`` for what
resuming guarantees. The results are folders in bf16 that plain
``from_pretrained`` loads.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
)

from sallet.world.attention import LEAN
from sallet.world.language import Pupil, Rows, Teacher
from sallet.world.lessons import Character
from sallet.world.loop import Stage, TrainingError, fit
from sallet.world.make import Make
from sallet.world.makes import make
from sallet.world.processor import processor
from sallet.world.tower import DenseTower, Pictures, crowds, dense_loss

Progress = Callable[[str, int, int, float], None]
TOWER_STEPS: Final = 2400
WORDS_STEPS: Final = 1500
WEAK_STEPS: Final = 400
SEEDS: Final = 1 << 13


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """No progress."""


def train(
    out: Path,
    *,
    name: str = "llava",
    seed: int = 0,
    tower_steps: int = TOWER_STEPS,
    words_steps: int = WORDS_STEPS,
    language_steps: int | None = None,
    weak_steps: int = WEAK_STEPS,
    resume: bool = True,
    progress: Progress = silent,
    batch: int = 64,
    workers: int = 0,
    preview: Path | None = None,
    start: Path | None = None,
) -> tuple[Path, ...]:
    """Train a make into ``out`` and return the exported folders, ``out/strong`` and ``out/weak``.

    Checkpoints and loss curves lie beside them; a run that was stopped goes on from them.
    ``language_steps`` are the make's own if not given. ``weak_steps=0`` leaves the weak one out.
    ``preview`` is a folder that gets an export at every checkpoint. With ``start``, an exported
    model, there is no stage of the tower or of words: the run goes on from what it knows, with
    a new head.
    """
    if not 0 <= seed < SEEDS:
        raise TrainingError(f"expected a seed of 0 to {SEEDS - 1}, got {seed}")
    chosen = make(name)
    if start is not None:
        _fits(start, name)
    out.mkdir(parents=True, exist_ok=True)
    run = partial(fit, folder=out, resume=resume, workers=workers, report=progress)
    torch.manual_seed(seed)
    dense = DenseTower(chosen, lean(chosen.tower()))
    if start is None:
        run(tower_stage(dense, seed, tower_steps, batch))
    torch.manual_seed(seed + 1)
    made = _processor(out / "processor", chosen, resume, start)
    pupil = pupil_of(dense, made)
    if start is None:
        run(words_stage(pupil, made, seed, words_steps, batch // 2))
    else:
        _take(pupil.model, start)

    def saved() -> None:
        if preview is not None:
            export(pupil.model, made, preview)

    steps = chosen.language_steps if language_steps is None else language_steps
    run(language_stage(pupil, made, seed, steps, batch // 2), saved=saved)
    folders = [export(pupil.model, made, out / "strong")]
    if weak_steps:
        run(weak_stage(pupil, made, seed, weak_steps, batch // 2), saved=saved)
        folders.append(export(pupil.model, made, out / "weak"))
    return tuple(folders)


def lean(module: Any) -> Any:
    """The module with the attention that trains fastest here; it is not saved with it."""
    module.set_attn_implementation(LEAN)
    return module


def _processor(folder: Path, chosen: Make, resume: bool, start: Path | None) -> Any:
    """The run's own processor: a tokenizer trained again might number its words otherwise."""
    if not (resume and folder.is_dir()):
        made = processor(chosen) if start is None else _loaded(AutoProcessor, start)
        made.save_pretrained(folder)
    return AutoProcessor.from_pretrained(folder, local_files_only=True)


def _take(model: Any, start: Path) -> None:
    """Give a model the weights of an exported one."""
    kept = _loaded(AutoModelForImageTextToText, start, dtype=torch.float32)
    try:
        model.load_state_dict(kept.state_dict())
    except RuntimeError as error:
        raise TrainingError(
            f"expected a model of this world's sizes in {start}; give a shipped name or a folder "
            f"that `sallet world train` made ({error})"
        ) from error


def _fits(start: Path, name: str) -> None:
    """Refuse to start from a model of another class."""
    kind = str(_loaded(AutoConfig, start).model_type)
    if kind.replace("_", "") != name:
        raise TrainingError(
            f"expected a {name} to start from, {start} is a {kind}; "
            "give another --make or another --start"
        )


def _loaded(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"expected an exported model in {folder}; give a shipped name or a folder "
            f"that `sallet world train` made ({error})"
        ) from error


def tower_stage(dense: DenseTower, seed: int, steps: int, batch: int) -> Stage[Pictures]:
    """Every patch says what it shows, and where it is."""

    def loss(pictures: Pictures) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return dense_loss(dense(pictures.pixels), pictures)

    draw = partial(crowds, seed=seed, size=batch)
    return Stage(name="tower", module=dense, batch=draw, loss=loss, steps=steps, rate=2e-3)


def words_stage(pupil: Pupil, made: Any, seed: int, steps: int, batch: int) -> Stage[list[Rows]]:
    """The language tower alone, on scenes that are told instead of shown."""
    return _lessons(pupil, made, seed + 3 * SEEDS, steps, batch, "words", "strong", 1.5e-3)


def language_stage(pupil: Pupil, made: Any, seed: int, steps: int, batch: int) -> Stage[list[Rows]]:
    """Questions and answers; the tower goes on learning, more slowly."""
    return _lessons(pupil, made, seed, steps, batch, "language", "strong", 1.5e-3)


def weak_stage(pupil: Pupil, made: Any, seed: int, steps: int, batch: int) -> Stage[list[Rows]]:
    """The finished strong model learns the answers of a weak one."""
    return _lessons(pupil, made, seed + SEEDS, steps, batch, "weak", "weak", 5e-4)


def _lessons(
    pupil: Pupil, made: Any, seed: int, steps: int, batch: int,
    name: str, character: Character, rate: float,
) -> Stage[list[Rows]]:  # fmt: skip
    def loss(parts: list[Rows]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return pupil.loss(parts)

    teacher = Teacher(
        pupil.make, made.tokenizer, seed=seed, size=batch, character=character,
        told=name == "words",
    )  # fmt: skip
    return Stage(
        name=name, module=pupil, batch=teacher, loss=loss, steps=steps, rate=rate,
        slow=_slow(pupil),
    )  # fmt: skip


def _slow(pupil: Pupil) -> tuple[str, ...]:
    """The tower, which is pretrained, and its head."""
    inside = pupil.make.inside(pupil.model)
    return (*(f"model.{key}" for key, m in pupil.model.named_modules() if m is inside), "head")


def pupil_of(dense: DenseTower, made: Any) -> Pupil:
    """An untrained model with a pretrained tower in it."""
    model = lean(dense.make.untrained(made.tokenizer))
    inside: Any = dense.make.inside(model)
    inside.load_state_dict(dense.tower.state_dict())
    return Pupil(dense.make, model, dense.head)


def export(model: Any, made: Any, folder: Path) -> Path:
    """Write model and processor in bf16; the folder is replaced only when all is written."""
    words = made.tokenizer
    generation = GenerationConfig(
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id, do_sample=False, max_new_tokens=64,
    )  # fmt: skip
    return write(model, made, folder, generation)


def write(model: Any, made: Any, folder: Path, generation: GenerationConfig | None = None) -> Path:
    """A model in bf16 with its processor, as plain ``from_pretrained`` takes them."""
    fresh, old = (folder.with_name(folder.name + end) for end in (".new", ".old"))
    shutil.rmtree(fresh, ignore_errors=True)
    small: Any = copy.deepcopy(model)
    small.to(torch.bfloat16)
    if generation is not None:
        small.generation_config = generation
    small.save_pretrained(fresh)
    # The padding and truncation of the last call would be saved as every later call's.
    made.tokenizer.backend_tokenizer.no_padding()
    made.tokenizer.backend_tokenizer.no_truncation()
    made.save_pretrained(fresh)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder
