"""The three makes of model, in the real classes: LLaVA, Qwen3-VL and InternVL.

What differs is what differs in the field: the towers, the way pictures enter the
language tower, its positions, its norms, the processor and the chat's special
tokens. What they share is in ``make``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import transformers
from torch import Tensor, nn

from sallet.core.errors import UnknownName
from sallet.world.make import IMAGE_TOKENS, TEXT, WIDE, Make, Marks, Name, embedded, ids_of
from sallet.world.qwen3vl import Qwen3VL
from sallet.world.scenes import PATCH, SIDE

hf: Any = transformers  # its configs and classes take more than their signatures say

CLIP_IMAGES: Final[dict[str, Any]] = {
    "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 2,
    "do_rescale": True, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    "do_convert_rgb": True,
}  # fmt: skip


class _Projected:
    """Patch states after the class token, through a projector, in a row with the words."""

    grid: ClassVar[bool] = False

    def inside(self, model: Any) -> nn.Module:
        return model.model.vision_tower

    def states(self, tower: Any, pixels: Tensor) -> Tensor:
        return tower(pixel_values=pixels).last_hidden_state[:, 1:]

    def hidden(
        self, model: Any, tokens: Tensor, pixels: Tensor, sees: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        inner = model.model
        states = self.states(inner.vision_tower, pixels)
        inputs, _ = embedded(model, tokens, inner.multi_modal_projector(states))
        out = inner.language_model(
            inputs_embeds=inputs, attention_mask=sees, position_ids=positions[0], use_cache=False
        )
        return out.last_hidden_state, states


@dataclass(frozen=True)
class Llava(_Projected):
    """``LlavaForConditionalGeneration``: a CLIP tower, a projector of two layers, a Llama."""

    name: ClassVar[Name] = "llava"
    language_steps: ClassVar[int] = 3200
    marks: ClassVar[Marks] = Marks("<image>", named=(("image_token", "<image>"),))

    def processor(self, words: Any, template: str) -> Any:
        return hf.LlavaProcessor(
            hf.CLIPImageProcessor(**CLIP_IMAGES, do_center_crop=False), words,
            patch_size=PATCH, vision_feature_select_strategy="default", chat_template=template,
            image_token=self.marks.image, num_additional_image_tokens=1,
        )  # fmt: skip

    def _vision(self) -> Any:
        return hf.CLIPVisionConfig(
            hidden_size=WIDE, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
            image_size=SIDE, patch_size=PATCH, hidden_act="gelu", projection_dim=WIDE,
        )  # fmt: skip

    def untrained(self, words: Any) -> Any:
        config = hf.LlavaConfig(
            vision_config=self._vision(), text_config=hf.LlamaConfig(**TEXT, **ids_of(words)),
            image_token_index=words.convert_tokens_to_ids(self.marks.image),
            projector_hidden_act="gelu", vision_feature_select_strategy="default",
            vision_feature_layer=-1, image_seq_length=IMAGE_TOKENS, tie_word_embeddings=True,
        )  # fmt: skip
        config.pad_token_id = words.pad_token_id
        return hf.LlavaForConditionalGeneration._from_config(config)

    def tower(self) -> Any:
        return hf.CLIPVisionModel._from_config(self._vision())


@dataclass(frozen=True)
class InternVL(_Projected):
    """``InternVLForConditionalGeneration``: scaled residuals, a normed projector, a Qwen2."""

    name: ClassVar[Name] = "internvl"
    language_steps: ClassVar[int] = 4800
    marks: ClassVar[Marks] = Marks(
        "<IMG_CONTEXT>", "<img>", "</img>", ("<video>",),
        (("start_image_token", "<img>"), ("end_image_token", "</img>"),
         ("context_image_token", "<IMG_CONTEXT>"), ("video_token", "<video>")),
        wraps=True,
    )  # fmt: skip

    def processor(self, words: Any, template: str) -> Any:
        size = {"height": SIDE, "width": SIDE}
        return hf.InternVLProcessor(
            hf.GotOcr2ImageProcessor(**CLIP_IMAGES, crop_to_patches=False), words,
            hf.InternVLVideoProcessor(size=size), image_seq_length=IMAGE_TOKENS,
            chat_template=template,
        )  # fmt: skip

    def _vision(self) -> Any:
        return hf.InternVLVisionConfig(
            hidden_size=WIDE, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
            attention_bias=True, image_size=[SIDE, SIDE], patch_size=[PATCH, PATCH],
            layer_scale_init_value=0.7, initializer_range=0.04,
        )  # fmt: skip

    def untrained(self, words: Any) -> Any:
        text = {k: v for k, v in TEXT.items() if k != "head_dim"}
        config = hf.InternVLConfig(
            vision_config=self._vision(), text_config=hf.Qwen2Config(**text, **ids_of(words)),
            image_token_id=words.convert_tokens_to_ids(self.marks.image),
            image_seq_length=IMAGE_TOKENS, downsample_ratio=1.0, tie_word_embeddings=True,
        )  # fmt: skip
        config.pad_token_id = words.pad_token_id
        return hf.InternVLForConditionalGeneration._from_config(config)

    def tower(self) -> Any:
        return hf.InternVLVisionModel._from_config(self._vision())


MAKES: Final[dict[str, Make]] = {m.name: m for m in (Llava(), Qwen3VL(), InternVL())}


def make(name: str) -> Make:
    """A make by name."""
    if name not in MAKES:
        raise UnknownName("make of model", name, MAKES)
    return MAKES[name]
