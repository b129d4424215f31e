"""Models of the field by short names, and the memory that each needs. No torch is imported here.

Memory is for answering: `billions` x bytes a parameter x 1.2 (activations, cache, fragmentation)
+ 1 GB (the runtime). Bytes: 2 in bfloat16, 0.6 in 4-bit (embeddings and norms stay in 16 bits).
A white-box attack keeps activations too: allow half as much again, or use checkpointing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sallet.core.errors import UnknownName

Precision: TypeAlias = Literal["bf16", "4bit"]

BYTES: dict[Precision, float] = {"bf16": 2.0, "4bit": 0.6}

_NO_SYSTEM = "no system role: system text is put before the first user turn"
_NATIVE = "sees images at their own size: large ones take thousands of tokens"
_TILES = "cuts images into tiles: wide or tall ones take more tokens"
_GATED = "gated: accept its licence on the hub, then log in"
_NUMBERS = "its processor needs the package num2words"


@dataclass(frozen=True)
class Preset:
    """A checkpoint on the hub. `billions` of parameters are as its page says, rounded."""

    name: str
    hub: str
    billions: float
    quirks: tuple[str, ...] = ()

    def gigabytes(self, precision: Precision) -> float:
        """Memory that answering needs, by the formula of this module."""
        return round(self.billions * BYTES[precision] * 1.2 + 1, 1)


_ALL = (
    Preset("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", 7.1),
    Preset("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", 13.4),
    Preset("llava-next-mistral-7b", "llava-hf/llava-v1.6-mistral-7b-hf", 7.6, (_TILES,)),
    Preset("llava-next-vicuna-7b", "llava-hf/llava-v1.6-vicuna-7b-hf", 7.1, (_TILES,)),
    Preset("llava-next-vicuna-13b", "llava-hf/llava-v1.6-vicuna-13b-hf", 13.4, (_TILES,)),
    Preset("qwen2.5-vl-3b", "Qwen/Qwen2.5-VL-3B-Instruct", 3.8, (_NATIVE,)),
    Preset("qwen2.5-vl-7b", "Qwen/Qwen2.5-VL-7B-Instruct", 8.3, (_NATIVE,)),
    Preset("qwen2.5-vl-32b", "Qwen/Qwen2.5-VL-32B-Instruct", 33.5, (_NATIVE,)),
    Preset("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", 4.4, (_NATIVE,)),
    Preset("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", 8.8, (_NATIVE,)),
    Preset("qwen3-vl-30b-a3b", "Qwen/Qwen3-VL-30B-A3B-Instruct", 31.1, (_NATIVE,)),
    Preset("qwen3-vl-32b", "Qwen/Qwen3-VL-32B-Instruct", 33.4, (_NATIVE,)),
    Preset("internvl3-8b", "OpenGVLab/InternVL3-8B-hf", 7.9, (_TILES,)),
    Preset("internvl3-14b", "OpenGVLab/InternVL3-14B-hf", 15.1, (_TILES,)),
    Preset("internvl3-38b", "OpenGVLab/InternVL3-38B-hf", 38.4, (_TILES,)),
    Preset("internvl3.5-8b", "OpenGVLab/InternVL3_5-8B-HF", 8.5, (_TILES,)),
    Preset("internvl3.5-14b", "OpenGVLab/InternVL3_5-14B-HF", 15.1, (_TILES,)),
    Preset("internvl3.5-38b", "OpenGVLab/InternVL3_5-38B-HF", 38.4, (_TILES,)),
    Preset("smolvlm-256m", "HuggingFaceTB/SmolVLM-256M-Instruct", 0.3, (_TILES, _NUMBERS)),
    Preset("smolvlm-500m", "HuggingFaceTB/SmolVLM-500M-Instruct", 0.5, (_TILES, _NUMBERS)),
    Preset("smolvlm-2b", "HuggingFaceTB/SmolVLM-Instruct", 2.2, (_TILES, _NUMBERS)),
    Preset("smolvlm2-500m", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct", 0.5, (_TILES, _NUMBERS)),
    Preset("smolvlm2-2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", 2.2, (_TILES, _NUMBERS)),
    Preset("gemma3-4b", "google/gemma-3-4b-it", 4.3, (_NO_SYSTEM, _GATED)),
    Preset("gemma3-12b", "google/gemma-3-12b-it", 12.2, (_NO_SYSTEM, _GATED)),
    Preset("gemma3-27b", "google/gemma-3-27b-it", 27.4, (_NO_SYSTEM, _GATED)),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ALL}


def resolve(name: str) -> str:
    """A preset's hub name; a folder or a hub name as it is; else the nearest presets are named."""
    if name in PRESETS:
        return PRESETS[name].hub
    elsewhere = "/" in name or name.startswith((".", "~")) or name.endswith(".gguf")
    if not elsewhere and not Path(name).exists():
        raise UnknownName("model", name, PRESETS)
    return name
