"""Qwen3-VL as a make: patches with rotary positions, a tapped tower, image tokens on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import transformers
from torch import Tensor, nn

from sallet.world.make import GRID, IMAGE_TOKENS, TEXT, WIDE, Marks, Name, embedded, ids_of
from sallet.world.scenes import PATCH, SIDE

hf: Any = transformers  # its configs and classes take more than their signatures say
ANSWERS = {
    "start_anchor": "<|assistant|>",
    "defaults": {"role": "assistant"},
    "fields": {"content": {"close_pattern": r"\s*</s>", "content": "text"}},
}
"""Where an answer begins and ends; a server takes Qwen's own marks where a tokenizer says none."""


@dataclass(frozen=True)
class Qwen3VL:
    """``Qwen3VLForConditionalGeneration``: rotary tower, DeepStack, positions in three axes."""

    name: ClassVar[Name] = "qwen3vl"
    marks: ClassVar[Marks] = Marks(
        "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", ("<|video_pad|>",),
        (("image_token", "<|image_pad|>"), ("video_token", "<|video_pad|>"),
         ("vision_bos_token", "<|vision_start|>"), ("vision_eos_token", "<|vision_end|>")),
    )  # fmt: skip
    grid: ClassVar[bool] = True
    language_steps: ClassVar[int] = 3200

    def processor(self, words: Any, template: str) -> Any:
        shape = {"patch_size": PATCH, "merge_size": 1, "temporal_patch_size": 2}
        size = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}
        # Bilinear: a bicubic resize differs between whole and fractional pixels.
        look = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
        words.response_template = ANSWERS
        return hf.Qwen3VLProcessor(
            hf.Qwen2VLImageProcessor(**shape, **look, size=size), words,
            hf.Qwen3VLVideoProcessor(**shape, **look), chat_template=template,
        )  # fmt: skip

    def _vision(self) -> Any:
        return hf.models.qwen3_vl.configuration_qwen3_vl.Qwen3VLVisionConfig(
            depth=4, hidden_size=WIDE, intermediate_size=512, num_heads=4, patch_size=PATCH,
            spatial_merge_size=1, temporal_patch_size=2, out_hidden_size=TEXT["hidden_size"],
            num_position_embeddings=IMAGE_TOKENS, deepstack_visual_indexes=[1],
        )  # fmt: skip

    def untrained(self, words: Any) -> Any:
        rope = {
            "rope_type": "default", "rope_theta": 10000.0,
            "mrope_section": [8, 8, 8], "mrope_interleaved": True,
        }  # fmt: skip
        names = {
            "image_token_id": self.marks.image, "video_token_id": self.marks.others[0],
            "vision_start_token_id": self.marks.before, "vision_end_token_id": self.marks.after,
        }  # fmt: skip
        ids = {key: words.convert_tokens_to_ids(token) for key, token in names.items()}
        text = {**TEXT, "intermediate_size": 368, "rope_parameters": rope}
        config = hf.Qwen3VLConfig(
            vision_config=self._vision().to_dict(),
            text_config={**text, **ids_of(words)},
            tie_word_embeddings=True,
            **ids,
        )
        return hf.Qwen3VLForConditionalGeneration._from_config(config)

    def tower(self) -> Any:
        return hf.models.qwen3_vl.modeling_qwen3_vl.Qwen3VLVisionModel._from_config(self._vision())

    def inside(self, model: Any) -> nn.Module:
        return model.model.visual

    def states(self, tower: Any, pixels: Tensor) -> Tensor:
        return self._see(tower, pixels)[0]

    def _see(self, tower: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """States after the last block and after the one that DeepStack taps.

        The class itself runs its attention picture by picture; here all pictures
        have the same grid and go as one batch, which gives the same states.
        """
        count = len(pixels)
        patches = pixels.reshape(count, 3, GRID, PATCH, GRID, PATCH).permute(0, 2, 4, 1, 3, 5)
        patches = patches.reshape(count * IMAGE_TOKENS, 3, 1, PATCH, PATCH)
        patches = patches.expand(-1, -1, 2, -1, -1)  # two frames, as of a video
        # A convolution whose window is its stride is a product, and far faster as one.
        kernel = tower.patch_embed.proj
        x = nn.functional.linear(patches.flatten(1), kernel.weight.flatten(1), kernel.bias)
        x = x.reshape(count, IMAGE_TOKENS, WIDE)
        # The learned grid is exactly the picture's: no interpolation.
        x = x + tower.pos_embed.weight.to(x.dtype)
        rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
        cos, sin = tower.rotary_pos_emb(x, torch.stack([rows.flatten(), columns.flatten()], -1))
        tapped = x
        for number, block in enumerate(tower.blocks):
            x = x + self._attend(block.attn, block.norm1(x), cos, sin)
            x = x + block.mlp(block.norm2(x))
            if number in tower.deepstack_visual_indexes:
                tapped = x
        return x, tapped

    @staticmethod
    def _attend(attn: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        count, length, _ = x.shape
        qkv = attn.qkv(x).reshape(count, length, 3, attn.num_heads, -1)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        q, k = ((y * cos + _turned(y) * sin).to(v.dtype) for y in (q, k))
        weights = torch.softmax(q @ k.transpose(2, 3) * attn.scaling, -1)
        return attn.proj((weights.to(v.dtype) @ v).transpose(1, 2).reshape(count, length, -1))

    def hidden(
        self, model: Any, tokens: Tensor, pixels: Tensor, sees: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        inner, tower = model.model, model.model.visual
        states, tapped = self._see(tower, pixels)
        inputs, where = embedded(model, tokens, tower.merger(states.flatten(0, 1)))
        out = inner.language_model(
            inputs_embeds=inputs, attention_mask=sees, position_ids=positions, use_cache=False,
            visual_pos_masks=where,
            deepstack_visual_embeds=[tower.deepstack_merger_list[0](tapped.flatten(0, 1))],
        )  # fmt: skip
        return out.last_hidden_state, states


def _turned(x: Tensor) -> Tensor:
    """Half of the features swapped with the other half, negated: a rotation by a right angle."""
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)
