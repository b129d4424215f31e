"""The processor: a byte-level BPE of this world's words, a CLIP image processor, a chat template.

Guaranteed: any text tokenises (bytes are the last resort), letter case and the
space before punctuation do not matter, an image of any size becomes 192x192,
and the template puts the image before the text in whatever order the parts come.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPImageProcessor, LlavaProcessor, PreTrainedTokenizerFast

from sallet.world.atlas import LETTERS
from sallet.world.lessons import lesson
from sallet.world.nouns import NOUNS
from sallet.world.phrases import (
    NEUTRAL_WORDINGS,
    NUMBERS,
    REFUSALS,
    SAFETY_WORDINGS_HELD_OUT,
    SAFETY_WORDINGS_TRAIN,
    TEMPLATES,
)
from sallet.world.scenes import COLOURS, PATCH, PLACES, SIDE

PAD, BOS, EOS, IMAGE = "<pad>", "<s>", "</s>", "<image>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL: Final[tuple[str, ...]] = (PAD, BOS, EOS, IMAGE, SYSTEM, USER, ASSISTANT)

CHAT_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}{{ '<|assistant|>' }}"
    "{%- elif message['role'] == 'system' -%}{{ '<|system|>' }}"
    "{%- else -%}{{ '<|user|>' }}{%- endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}"
    "{%- for part in message['content'] if part['type'] != 'text' -%}{{ '<image>' }}{%- endfor -%}"
    "{%- for part in message['content'] if part['type'] == 'text' -%}"
    "{{ part['text'] if loop.first else ' ' + part['text'] }}{%- endfor -%}"
    "{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}{{ eos_token }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)


def corpus() -> Iterable[str]:
    """Every word of the world many times, and sample lessons, for the tokenizer to merge."""
    words = (*NOUNS, *COLOURS, *PLACES, *NUMBERS, *LETTERS, "nothing", "yes", "no")
    fixed = (*SAFETY_WORDINGS_TRAIN, *SAFETY_WORDINGS_HELD_OUT, *NEUTRAL_WORDINGS, *REFUSALS)
    asked = [
        t.replace("{a}", "").replace("{place}", "") for every in TEMPLATES.values() for t in every
    ]
    for _ in range(60):
        yield from words
        yield from fixed
        yield from asked
    for seed in range(600):
        for item in lesson(seed):
            yield f"{item.question} {item.answer}"


def tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, trained now; the same on every run."""
    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+(?=[?.,:;!])"), "")]
    )
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)  # pyright: ignore[reportAttributeAccessIssue]
    raw.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=1400, min_frequency=20, special_tokens=list(SPECIAL), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    raw.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=PAD, bos_token=BOS, eos_token=EOS, padding_side="left",
        additional_special_tokens=[IMAGE, SYSTEM, USER, ASSISTANT], model_max_length=1024,
        extra_special_tokens={"image_token": IMAGE}, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def processor() -> LlavaProcessor:
    """The whole processor, as it is shipped."""
    images = CLIPImageProcessor(
        do_resize=True, size={"height": SIDE, "width": SIDE}, resample=2, do_center_crop=False,
        do_rescale=True, do_normalize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        do_convert_rgb=True,
    )  # fmt: skip
    return LlavaProcessor(
        images, tokenizer(), patch_size=PATCH, vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE, image_token=IMAGE, num_additional_image_tokens=1,
    )  # fmt: skip
