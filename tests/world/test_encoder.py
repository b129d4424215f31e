"""The encoder: resumable, exported as the plain class loads it, and measured exactly."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, CLIPModel

from sallet.world.attention import LEAN
from sallet.world.captions import every, holds
from sallet.world.encoder import (
    END,
    LONGEST,
    Retrieval,
    clip_stage,
    contrast,
    drawn,
    pairs,
    processor,
    recall,
    retrieval,
    train,
    twins_of,
)
from sallet.world.loop import TrainingError, fit
from sallet.world.makes import make
from sallet.world.processor import tokenizer
from sallet.world.render import render
from sallet.world.scenes import HELD_OUT
from sallet.world.tower import DenseTower
from sallet.world.train import SEEDS, lean, write


@pytest.fixture(scope="module")
def words():
    return tokenizer(make("llava"))


@pytest.fixture(scope="module")
def folder(words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoder")
    return train(out, words, tower_steps=1, steps=1, batch=2)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.eval(), AutoProcessor.from_pretrained(folder, local_files_only=True)


def twins(made: Any):
    torch.manual_seed(0)
    return twins_of(DenseTower(make("llava"), lean(make("llava").tower())), made)


def test_a_stopped_run_goes_on_along_the_same_curve(words, tmp_path: Path) -> None:
    made = processor(words)
    stage = partial(clip_stage, made=made, seed=0, steps=3, batch=4)
    whole = fit(stage(twins(made)), tmp_path / "a", workers=0)
    first = fit(stage(twins(made)), tmp_path / "b", workers=0, stop=1)
    rest = fit(stage(twins(made)), tmp_path / "b", workers=0)
    assert len(whole) == 3
    assert first + rest == pytest.approx(whole, rel=1e-4)
    assert len(set(whole)) == 3
    curves = [(tmp_path / f / "clip.jsonl").read_text().splitlines() for f in "ab"]
    assert len(curves[0]) == len(curves[1]) == 3


def test_another_tower_can_be_taken(words, folder: Path, tmp_path: Path) -> None:
    tower = folder.parent / "tower.ckpt"
    again = train(tmp_path / "again", words, steps=1, batch=2, tower=tower)
    assert not (tmp_path / "again" / "tower.ckpt").exists()
    kept, made = (CLIPModel.from_pretrained(f, dtype=torch.float32) for f in (folder, again))
    before, after = kept.state_dict(), made.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    with pytest.raises(TrainingError, match=r"tower\.ckpt"):
        train(tmp_path / "none", words, steps=1, batch=2, tower=tmp_path / "none.ckpt")
    with pytest.raises(TrainingError, match="llava"):
        train(tmp_path / "other", words, steps=1, batch=2, tower=folder.parent / "clip.ckpt")


def test_a_run_without_a_place_in_the_seeds_is_refused(words, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="seed"):
        train(tmp_path, words, seed=SEEDS)


def test_the_export_is_the_plain_class_and_small(folder: Path, loaded: tuple[Any, Any]) -> None:
    model, made = loaded
    assert type(made).__name__ == "CLIPProcessor"
    assert (folder / "model.safetensors").stat().st_size < 4_000_000
    for key in ("padding", "truncation"):
        assert json.loads((folder / "tokenizer.json").read_text())[key] is None
    assert LEAN not in (folder / "config.json").read_text()
    assert not list(folder.parent.glob("model.*"))
    assert model.config.text_config.eos_token_id == made.tokenizer.eos_token_id != 2


@torch.no_grad()
def test_texts_end_where_they_are_pooled(words, loaded: tuple[Any, Any]) -> None:
    model, made = loaded
    texts = ["a cat.", "there is an elephant at the bottom and a cat at the left.", "cat " * 200]
    batch = made(text=texts, padding=True, truncation=True, return_tensors="pt")
    end = made.tokenizer.eos_token_id
    assert made.tokenizer.eos_token == END
    assert batch["input_ids"].shape == (3, LONGEST)
    assert ((batch["input_ids"] == end).sum(1) == 1).all()
    found = model.text_model(**batch)
    ends = found.last_hidden_state[batch["input_ids"] == end]
    assert torch.equal(found.pooler_output, ends)
    for row, sees, text in zip(
        batch["input_ids"], batch["attention_mask"], texts[:2], strict=False
    ):
        plain = words(text, add_special_tokens=False).input_ids
        assert row[sees.bool()].tolist() == [made.tokenizer.bos_token_id, *plain, end]
        assert row[len(plain) + 1] == end


@torch.no_grad()
def test_a_batch_embeds_as_one_by_one(loaded: tuple[Any, Any]) -> None:
    model, made = loaded
    scenes = [drawn(HELD_OUT + i) for i in range(4)]
    texts = [every(scene)[-1] for scene in scenes]
    pictures = [Image.fromarray(render(scene)) for scene in scenes]
    whole = model(**made(text=texts, images=pictures, padding=True, return_tensors="pt"))
    for i, (text, picture) in enumerate(zip(texts, pictures, strict=True)):
        alone = model(**made(text=[text], images=[picture], padding=True, return_tensors="pt"))
        assert torch.allclose(whole.text_embeds[i], alone.text_embeds[0], atol=1e-5)
        assert torch.allclose(whole.image_embeds[i], alone.image_embeds[0], atol=1e-5)
    assert (whole.text_embeds[0] - whole.text_embeds[1]).abs().max() > 1e-3


def test_training_and_export_compute_the_same(words, tmp_path: Path) -> None:
    made = processor(words)
    ours = twins(made)
    model: Any = CLIPModel.from_pretrained(
        write(ours.model, made, tmp_path / "model"), dtype=torch.float32
    )
    batch = pairs(0, words=made.tokenizer, seed=0, size=3)
    with torch.no_grad():
        lean_text = ours.model.get_text_features(input_ids=batch.tokens).pooler_output
        plain = model.get_text_features(input_ids=batch.tokens).pooler_output
    assert torch.allclose(lean_text, plain, atol=0.05)
    assert ours.model.dtype == torch.float32


def test_batches_are_true_new_and_of_their_own_seeds(words) -> None:
    made = processor(words).tokenizer
    batch = pairs(3, words=made, seed=SEEDS - 1, size=24)
    assert batch.true.diagonal().all()
    assert torch.equal(batch.tokens, pairs(3, words=made, seed=SEEDS - 1, size=24).tokens)
    assert not torch.equal(
        batch.pictures.pixels, pairs(4, words=made, seed=SEEDS - 1, size=24).pictures.pixels
    )
    first = ((3 * SEEDS - 1) << 32) + 3 * 24
    assert 2 * SEEDS << 32 <= first < first + (1 << 31) < HELD_OUT
    scenes = [drawn(first + i, worded=1 / 3) for i in range(24)]
    said = made.batch_decode(batch.tokens, skip_special_tokens=True)
    wanted = [[holds(scene, text) for text in said] for scene in scenes]
    assert batch.true.tolist() == wanted


def test_what_is_true_is_no_negative() -> None:
    alike = torch.tensor([[5.0, 5.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 5.0]])
    true = alike > 1
    assert contrast(alike, true) < 0.02 < contrast(alike, torch.eye(3, dtype=torch.bool))


def test_recall_counts_equal_captions() -> None:
    alike = torch.tensor([[0.1, 0.9, 0.0, 0.0], [0.2, 0.1, 0.0, 0.3], [0, 0, 1, 0], [0, 0, 0, 1]])
    found = recall(alike, ("a", "b", "c", "d"))
    assert (found.r1_image_to_text, found.r1_text_to_image, found.n) == (0.5, 0.5, 4)
    found = recall(alike, ("a", "a", "c", "d"))
    assert (found.r1_image_to_text, found.r1_text_to_image) == (0.75, 1.0)
    assert recall(torch.eye(3), ("a", "b", "c")).r1_text_to_image == 1.0


def test_retrieval_has_its_intervals() -> None:
    plain: Any = Retrieval(0.9, 1.0, 100).plain()
    low, high = plain["intervals"]["r1_image_to_text"]
    assert 0.82 < low < 0.83
    assert 0.94 < high < 0.95
    assert plain["intervals"]["r1_text_to_image"][1] == 1.0
    assert (plain["r1_image_to_text"], plain["n"]) == (0.9, 100)


def test_an_untrained_encoder_retrieves_by_chance(folder: Path) -> None:
    found = retrieval(folder, 40)
    assert found.n == 40
    assert found.r1_image_to_text < 0.2
    assert found.r1_text_to_image < 0.2
    assert found == retrieval(folder, 40)
    assert retrieval(folder, 4, shift=True).n == 4
