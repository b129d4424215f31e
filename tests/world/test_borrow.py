"""A language tower taken from another make: the same weights, words matched by their token."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlavaForConditionalGeneration

from sallet.world.borrow import borrow
from sallet.world.loop import TrainingError
from sallet.world.makes import make
from sallet.world.processor import processor
from sallet.world.train import export


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    made = processor(make("llava"))
    model = make("llava").untrained(made.tokenizer)
    return export(model, made, tmp_path_factory.mktemp("lender") / "model")


def test_layers_and_words_are_the_lenders(lender: Path):
    torch.manual_seed(1)
    words = processor(make("internvl")).tokenizer
    model = make("internvl").untrained(words)
    before = model.model.multi_modal_projector.linear_1.weight.clone()
    borrow(model, words, lender)
    own = LlavaForConditionalGeneration.from_pretrained(
        lender, dtype=torch.float32, local_files_only=True
    )
    theirs, taken = own.model.language_model, model.model.language_model
    assert torch.equal(
        taken.layers[2].self_attn.k_proj.weight, theirs.layers[2].self_attn.k_proj.weight
    )
    assert torch.equal(taken.norm.weight, theirs.norm.weight)
    lent = processor(make("llava")).tokenizer.get_vocab()
    token = next(t for t in words.get_vocab() if "knife" in t)
    assert torch.equal(
        taken.embed_tokens.weight[words.get_vocab()[token]], theirs.embed_tokens.weight[lent[token]]
    )
    assert torch.equal(model.model.multi_modal_projector.linear_1.weight, before)


def test_a_folder_without_a_model_is_named(tmp_path: Path):
    words = processor(make("internvl")).tokenizer
    with pytest.raises(TrainingError, match="finished model"):
        borrow(make("internvl").untrained(words), words, tmp_path)
