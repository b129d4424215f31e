"""Tiny random checkpoints of the real classes and processors, for tests and dry runs.

`save(family, folder)` writes one that `from_pretrained` loads like a full-sized one: a quarter of
a million parameters, a second to build, the same code paths. Their answers mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from sallet.models import tiny_text as text

hf: Any = transformers  # its configs take more than their signatures say

SIDE = 56
PATCH = 14
_TEXT: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "use_cache": True,
}
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_CLIP = {**_VISION, "image_size": SIDE, "patch_size": PATCH, "projection_dim": 32}
_SIZES = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
_PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]


def _ids(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _llama_tokenizer(**options: Any) -> Any:
    return text.tokenizer(
        "llama", special=(), pad="<pad>", eos="</s>", bos="<s>", image_token="<image>", **options
    )


def _llava() -> tuple[Any, Any]:
    tokenizer = _llama_tokenizer(adds_bos=True)
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessor(**_SIZES),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=text.LLAVA,
    )
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**_CLIP),
        text_config=hf.LlamaConfig(**_TEXT, **_ids(tokenizer)),
        image_token_index=processor.image_token_id,
    )
    return hf.LlavaForConditionalGeneration(config), processor


def _llava_next() -> tuple[Any, Any]:
    tokenizer = _llama_tokenizer()
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessor(**_SIZES, image_grid_pinpoints=_PINPOINTS),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=text.MISTRAL,
    )
    config = hf.LlavaNextConfig(
        vision_config=hf.CLIPVisionConfig(**_CLIP),
        text_config=hf.MistralConfig(**_TEXT, **_ids(tokenizer), sliding_window=None),
        image_token_index=processor.image_token_id,
        image_grid_pinpoints=_PINPOINTS,
    )
    return hf.LlavaNextForConditionalGeneration(config), processor


def _chatml_tokenizer(**named: Any) -> Any:
    return text.tokenizer(
        "bytes", special=("<|im_start|>",), pad="<|endoftext|>", eos="<|im_end|>", **named
    )


_QWEN_TOKENS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}


def _qwen(patch: int, processor_type: Any, video_type: Any) -> tuple[Any, dict[str, Any]]:
    tokenizer = _chatml_tokenizer(**_QWEN_TOKENS)
    images = {
        "patch_size": patch,
        "size": {"shortest_edge": 4 * patch * patch, "longest_edge": 64 * patch * patch},
    }
    processor = processor_type(
        hf.Qwen2VLImageProcessor(**images), tokenizer, video_type(), chat_template=text.QWEN
    )
    ids = {
        f"{name}_id": tokenizer.convert_tokens_to_ids(word) for name, word in _QWEN_TOKENS.items()
    }
    return processor, ids


def _qwen2_5_vl() -> tuple[Any, Any]:
    processor, ids = _qwen(PATCH, hf.Qwen2_5_VLProcessor, hf.Qwen2VLVideoProcessor)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": PATCH,
        "out_hidden_size": 48,
        "fullatt_block_indexes": [1],
        "window_size": 56,
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]}
    config = hf.Qwen2_5_VLConfig(
        vision_config=vision,
        text_config={**_TEXT, **_ids(processor.tokenizer), "rope_parameters": rope},
        **ids,
    )
    return hf.Qwen2_5_VLForConditionalGeneration(config), processor


def _qwen3_vl() -> tuple[Any, Any]:
    processor, ids = _qwen(16, hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "out_hidden_size": 48,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [2, 2, 2],
        "mrope_interleaved": True,
    }
    words = {**_TEXT, **_ids(processor.tokenizer), "head_dim": 12, "rope_parameters": rope}
    config = hf.Qwen3VLConfig(vision_config=vision, text_config=words, **ids)
    return hf.Qwen3VLForConditionalGeneration(config), processor


def _internvl() -> tuple[Any, Any]:
    tokenizer = _chatml_tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    size = {"height": SIDE, "width": SIDE}
    processor = hf.InternVLProcessor(
        hf.GotOcr2ImageProcessor(size=size, crop_to_patches=True, max_patches=4),
        tokenizer,
        hf.InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=text.INTERN,
    )
    vision = {
        **_VISION,
        "image_size": [SIDE, SIDE],
        "patch_size": [PATCH, PATCH],
    }
    config = hf.InternVLConfig(
        vision_config=vision,
        text_config=hf.Qwen2Config(**_TEXT, **_ids(tokenizer)),
        image_token_id=processor.image_token_id,
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    return hf.InternVLForConditionalGeneration(config), processor


def _idefics3() -> tuple[Any, Any]:
    rows = [f"<row_{i}_col_{j}>" for i in range(1, 7) for j in range(1, 7)]
    tokenizer = text.tokenizer(
        "bytes",
        special=("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *rows),
        pad="<|pad|>",
        eos="<end_of_utterance>",
        bos="<|begin_of_text|>",
        image_token="<image>",
    )
    processor = hf.Idefics3Processor(
        hf.Idefics3ImageProcessor(
            size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
        ),
        tokenizer,
        image_seq_len=4,
        chat_template=text.IDEFICS,
    )
    config = hf.Idefics3Config(
        vision_config={**_VISION, "image_size": SIDE, "patch_size": PATCH},
        text_config=hf.LlamaConfig(**_TEXT, **_ids(tokenizer)),
        image_token_id=processor.image_token_id,
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    return hf.Idefics3ForConditionalGeneration(config), processor


def _gemma3() -> tuple[Any, Any]:
    tokenizer = text.tokenizer(
        "gemma",
        special=("<start_of_turn>",),
        pad="<pad>",
        eos="<end_of_turn>",
        bos="<bos>",
        image_token="<image_soft_token>",
        boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
    )
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE}),
        tokenizer,
        image_seq_length=4,
        chat_template=text.GEMMA,
    )
    words = {
        **_TEXT,
        **_ids(tokenizer),
        "head_dim": 12,
        "query_pre_attn_scalar": 12,
        "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    named: Any = tokenizer
    config = hf.Gemma3Config(
        text_config=words,
        vision_config={**_VISION, "image_size": SIDE, "patch_size": PATCH},
        mm_tokens_per_image=4,
        image_token_index=named.image_token_id,
        boi_token_index=named.boi_token_id,
        eoi_token_index=named.eoi_token_id,
        tie_word_embeddings=False,
    )
    return hf.Gemma3ForConditionalGeneration(config), processor


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": _llava,
    "llava-next": _llava_next,
    "qwen2.5-vl": _qwen2_5_vl,
    "qwen3-vl": _qwen3_vl,
    "internvl": _internvl,
    "idefics3": _idefics3,
    "gemma3": _gemma3,
}


def save(family: str, folder: Path, *, seed: int = 0) -> Path:
    """Writes the family's checkpoint to `folder`; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = FAMILIES[family]()
        _enliven(model, processor.tokenizer.all_special_ids)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@torch.no_grad()
def _enliven(model: Any, special: Sequence[int]) -> None:
    """Weights of a size that keeps signals alive, so that pixels matter and words are said."""
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2:
            words = "embed_tokens" in name or "lm_head" in name
            nn.init.normal_(parameter, std=0.5 if words else parameter[0].numel() ** -0.5)
    model.get_output_embeddings().weight[list(special)] = 0
