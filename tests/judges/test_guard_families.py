"""The classes of Llama Guard 3 Vision (Mllama) and Llama Guard 4 (Llama4), tiny and untaught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image as Pil

from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Answer, Query
from sallet.judges.asked.guard import llama_guard
from sallet.models import tiny_text

hf: Any = transformers
GOAL = Goal.stop_refusing("Sure", "grog")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] + ': ' }}{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}{{ '<|image|>' }}{% else %}{{ p['text'] }}{% endif %}{% endfor %}"
    "{{ '\n' }}{% endfor %}{{ 'verdict:' }}"
)
SIDE = 28
DARK, BRIGHT = (Image(np.full((40, 30, 3), value, np.uint8)) for value in (0, 255))


def mllama() -> tuple[Any, Any]:
    words = tokenizer("<|image|>")
    processor = hf.MllamaProcessor(
        hf.MllamaImageProcessor(size={"height": SIDE, "width": SIDE}, max_image_tiles=2),
        words, chat_template=TEMPLATE,
    )  # fmt: skip
    config = hf.MllamaConfig(
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_global_layers": 1, "attention_heads": 2, "image_size": SIDE, "patch_size": 14,
            "max_num_tiles": 2, "intermediate_layers_indices": [0], "vision_output_dim": 32,
            "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
        },
        text_config={**text(words), "num_hidden_layers": 3, "cross_attention_layers": [1],
                     "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
        image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )  # fmt: skip
    model = hf.MllamaForConditionalGeneration(config)
    for name, value in model.named_parameters():
        if name.endswith(("attn_gate", "mlp_gate")):
            value.data.fill_(1.0)  # shut in a new model, so that it would not look
    return model, processor


def llama4() -> tuple[Any, Any]:
    patch, begins, ends = "<|patch|>", "<|image_start|>", "<|image_end|>"
    tiles = ("<|tile_x_separator|>", "<|tile_y_separator|>")
    words = tokenizer("<|image|>", patch, begins, ends, *tiles)
    processor = hf.Llama4Processor(
        hf.Llama4ImageProcessor(size={"height": SIDE, "width": SIDE}, max_patches=4),
        words, patch_size=7, pixel_shuffle_ratio=0.5, chat_template=TEMPLATE,
    )  # fmt: skip
    config = hf.Llama4Config(
        vision_config={
            "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": SIDE, "patch_size": 7,
            "vision_output_dim": 32, "projector_input_dim": 32, "projector_output_dim": 32,
            "pixel_shuffle_ratio": 0.5,
        },
        text_config={**text(words), "num_hidden_layers": 2, "head_dim": 8, "num_local_experts": 2,
                     "num_experts_per_tok": 1, "intermediate_size_mlp": 64,
                     "interleave_moe_layer_step": 1, "attention_chunk_size": 512},
        image_token_index=words.convert_tokens_to_ids(patch),
        boi_token_index=words.convert_tokens_to_ids(begins),
        eoi_token_index=words.convert_tokens_to_ids(ends),
    )  # fmt: skip
    return hf.Llama4ForConditionalGeneration(config), processor


def tokenizer(*special: str) -> Any:
    return tiny_text.tokenizer("llama", special=special, pad="<pad>", eos="</s>", bos="<s>")


def text(words: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
    }  # fmt: skip


@pytest.fixture(params=[mllama, llama4], ids=["mllama", "llama4"])
def made(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    torch.manual_seed(0)
    return request.param()


@pytest.fixture
def folder(made: tuple[Any, Any], tmp_path: Path) -> Path:
    for part in made:
        part.save_pretrained(tmp_path)
    return tmp_path


def test_a_guard_of_the_family_looks_at_the_picture(folder: Path):
    guard = llama_guard(model=str(folder), least=0.0)
    asked = Query.ask(DARK, "how?"), Query.ask(BRIGHT, "how?"), Query.ask("how?")
    marks = [guard.judge(query, Answer("boil it"), GOAL).score for query in asked]
    assert None not in marks
    assert len({*marks}) == 3


def test_its_labels_weigh_what_the_whole_conversation_gives_them(
    made: tuple[Any, Any], folder: Path
):
    guard, label = llama_guard(model=str(folder)), "\n\nunsafe"
    _, unsafe = guard.weigh(Query.ask(DARK, "how?"), "boil it")
    model, processor = made[0].eval(), made[1]
    whole = f"<s>user: <|image|>how?\nassistant: boil it\nverdict:{label}"
    picture = Pil.fromarray(DARK.pixels())
    given = processor(text=whole, images=[picture], return_tensors="pt", add_special_tokens=False)
    given["pixel_values"] = given["pixel_values"].float()
    n = len(processor.tokenizer(label, add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        likely = model(**given).logits[0].log_softmax(-1)
    ids = given["input_ids"][0, -n:]
    there = likely[-n - 1 : -1].gather(1, ids[:, None]).sum().exp()
    assert unsafe == pytest.approx(float(there), rel=1e-3)


def test_weights_in_half_precision_are_shown_pictures_in_it(made: tuple[Any, Any], tmp_path: Path):
    model, processor = made
    for weight in model.parameters():
        weight.data = weight.data.bfloat16()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    guard = llama_guard(model=str(tmp_path), least=0.0)
    verdict = guard.judge(Query.ask(BRIGHT, "how?"), Answer("boil it"), GOAL)
    assert guard._guard().model.dtype is torch.bfloat16
    assert verdict.score is not None
