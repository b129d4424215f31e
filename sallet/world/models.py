"""The shipped models by name, and the untrained one that training starts from.

The classes are the real ones of ``transformers`` (``LlavaForConditionalGeneration``
around ``CLIPVisionModel`` and ``LlamaForCausalLM``), so plain ``from_pretrained``
loads a shipped folder, offline.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sallet.core.errors import ModelError, UnknownName

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration

MODELS: Final[dict[str, str]] = {"world/llava-strong": "llava-strong"}
"""Name -> folder beside this file."""
WEIGHTS: Final = Path(__file__).parent / "weights"


def path(name: str) -> Path:
    """The folder of a shipped model, as ``from_pretrained`` takes it."""
    if name not in MODELS:
        raise UnknownName("shipped model", name, MODELS)
    folder = WEIGHTS / MODELS[name]
    if not (folder / "config.json").is_file():
        raise ModelError(f"expected the weights of {name} at {folder}; see `sallet world train`")
    return folder


def untrained(
    vocabulary: int, image_token: int, pad: int, bos: int, eos: int
) -> LlavaForConditionalGeneration:
    """The shipped shape with random weights (from torch's global generator), attention eager."""
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    from sallet.world.tower import vision_config

    text = LlamaConfig(
        vocab_size=vocabulary, hidden_size=192, intermediate_size=448, num_hidden_layers=4,
        num_attention_heads=6, num_key_value_heads=6, head_dim=32, max_position_embeddings=1024,
        tie_word_embeddings=True, pad_token_id=pad, bos_token_id=bos, eos_token_id=eos,
        initializer_range=0.04, rms_norm_eps=1e-5,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision_config(), text_config=text, image_token_index=image_token,
        projector_hidden_act="gelu", vision_feature_select_strategy="default",
        vision_feature_layer=-1, image_seq_length=64, tie_word_embeddings=True,
    )  # fmt: skip
    config.pad_token_id = pad
    return LlavaForConditionalGeneration._from_config(config, attn_implementation="eager")
