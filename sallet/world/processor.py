"""The processor: a byte-level BPE of this world's words, the make's own class, a chat template.

Guaranteed: any text tokenises (bytes are the last resort), letter case and the
space before punctuation do not matter, an image of any size becomes 192x192 (or as
many pixels, for a make that keeps proportions), and the template puts the pictures
before the text in whatever order the parts come.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sallet.world.atlas import LETTERS
from sallet.world.instructions import NEUTRAL, SAFETY_HELD_OUT, SAFETY_TRAINED
from sallet.world.lessons import lesson
from sallet.world.make import Make
from sallet.world.nouns import NOUNS
from sallet.world.phrases import COURTESIES, NUMBERS, REFUSALS, RISKS, TEMPLATES
from sallet.world.scenes import COLOURS, PLACES

PAD, BOS, EOS = "<pad>", "<s>", "</s>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL: Final[tuple[str, ...]] = (PAD, BOS, EOS, SYSTEM, USER, ASSISTANT)

_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}{{ '<|assistant|>' }}"
    "{%- elif message['role'] == 'system' -%}{{ '<|system|>' }}"
    "{%- else -%}{{ '<|user|>' }}{%- endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}"
    "{%- for part in message['content'] if part['type'] != 'text' -%}{{ '@IMAGE@' }}{%- endfor -%}"
    "{%- for part in message['content'] if part['type'] == 'text' -%}"
    "{{ part['text'] if loop.first else ' ' + part['text'] }}{%- endfor -%}"
    "{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}{{ eos_token }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)


def corpus() -> Iterable[str]:
    """Every word of the world many times, and sample lessons, for the tokenizer to merge."""
    words = (*NOUNS, *COLOURS, *PLACES, *NUMBERS, *LETTERS, *RISKS, "nothing", "yes", "no")
    fixed = (*SAFETY_TRAINED, *SAFETY_HELD_OUT, *NEUTRAL, *REFUSALS, *COURTESIES)
    blanks = {"a": "", "place": "", "nth": "first second", "request": "", "answer": ""}
    asked = [t.format(**blanks) for every in TEMPLATES.values() for t in every]
    for _ in range(60):
        yield from words
        yield from fixed
        yield from asked
    for seed in range(600):
        for item in lesson(seed):
            yield f"{item.question} {item.answer}"


def tokenizer(make: Make) -> PreTrainedTokenizerFast:
    """The tokenizer with a make's special tokens, trained now; the same on every run."""
    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+(?=[?.,:;!])"), "")]
    )
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)  # pyright: ignore[reportAttributeAccessIssue]
    raw.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    special = [*SPECIAL, *make.marks.all]
    trainer = trainers.BpeTrainer(
        vocab_size=1500, min_frequency=20, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    raw.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=PAD, bos_token=BOS, eos_token=EOS, padding_side="left",
        additional_special_tokens=[SYSTEM, USER, ASSISTANT, *make.marks.all],
        model_max_length=1024, extra_special_tokens=dict(make.marks.named),
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def processor(make: Make) -> Any:
    """The whole processor of a make, as it is shipped."""
    return make.processor(tokenizer(make), _TEMPLATE.replace("@IMAGE@", make.marks.shown))
