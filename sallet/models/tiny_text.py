"""Tokenizers and chat templates of the families' kinds, made in memory: no download, no weights.

Each template is a short one of its family's shape; each tokenizer is trained on a few sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

WORDS = (
    "the a picture of cat dog house tree car red green blue two three people standing near "
    "road sky is are in on with what this do you see please sure here describe it yes no"
)

LLAVA = (
    "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['role'].upper() + ': ' }}{% endif %}"
    "{% for c in m['content'] if c['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for c in m['content'] %}{{ '<image>\n' if c['type'] == 'image' else c['text'] }}"
    "{% endfor %}{{ ' [/INST]' }}{% elif m['role'] == 'assistant' %}"
    "{{ ' ' + m['content'][0]['text'] + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant roles are supported') }}{% endif %}"
    "{% endfor %}"
)


def _chatml(image: str) -> str:
    return (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% for c in m['content'] %}"
        "{{ '" + image + "' if c['type'] == 'image' else c['text'] }}{% endfor %}"
        "{{ '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )


QWEN = _chatml("<|vision_start|><|image_pad|><|vision_end|>")
INTERN = _chatml("<IMG_CONTEXT>\\n")
IDEFICS = (
    "<|begin_of_text|>{% for m in messages %}{{ m['role'].capitalize() }}"
    "{{ ':' if m['content'][0]['type'] == 'image' else ': ' }}{% for c in m['content'] %}"
    "{{ '<image>' if c['type'] == 'image' else c['text'] }}{% endfor %}"
    "{{ '<end_of_utterance>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' }}"
    "{% for c in m['content'] %}"
    "{{ '<start_of_image>' if c['type'] == 'image' else c['text'] | trim }}"
    "{% endfor %}{{ '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


def tokenizer(
    kind: Literal["llama", "bytes", "gemma"],
    *,
    special: Sequence[str],
    pad: str,
    eos: str,
    bos: str | None = None,
    adds_bos: bool = False,
    **named: str,
) -> PreTrainedTokenizerFast:
    """A BPE with a leading blank as a mark (`llama`, `gemma`: without a dummy one) or bytes.

    `named` are the tokens that a processor asks its tokenizer for, such as `image_token`.
    """
    raw: Any = Tokenizer(models.BPE(byte_fallback=False, unk_token=None))
    if kind == "bytes":
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        raw.decoder = decoders.ByteLevel()
    else:
        scheme = "first" if kind == "llama" else "never"
        raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
        raw.decoder = decoders.Metaspace(prepend_scheme=scheme)
    held = list(dict.fromkeys([pad, *([bos] if bos else []), eos, *special, *named.values()]))
    alphabet = pre_tokenizers.ByteLevel.alphabet() if kind == "bytes" else _ascii()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=620, special_tokens=held, initial_alphabet=alphabet, show_progress=False
    )
    sentences = [WORDS, " ".join(reversed(WORDS.split())), WORDS.title(), "user assistant model"]
    raw.train_from_iterator([s for s in sentences for _ in range(4)], trainer)
    if adds_bos and bos:
        raw.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            pair=f"{bos} $A {bos} $B",
            special_tokens=[(bos, raw.token_to_id(bos))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=pad,
        eos_token=eos,
        bos_token=bos,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens=dict(named),
        additional_special_tokens=list(special),
    )


def _ascii() -> list[str]:
    return [*map(chr, range(32, 127)), "\n", "\u2581"]
