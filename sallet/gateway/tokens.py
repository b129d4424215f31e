"""A model's special tokens in a stranger's text are taken apart, so that they are only text.

A token is broken by a blank behind its first character. The text is looked at again until none is
left, because breaking one may not make another; what a tokenizer would first fold together (a
full-width bracket) is folded here, where it would become a token.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sallet.core.errors import UsageError

# Of the chat formats that are served most; a tokenizer's own file has all of them.
COMMON: Final = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|endofprompt|>", "<|begin_of_text|>",
    "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
    "<|python_tag|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|image|>",
    "<|image_1|>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<image>", "</image>", "<img>", "</img>", "<IMG_CONTEXT>",
    "<fake_token_around_image>",
    "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>",
    "<bos>", "<eos>", "<pad>", "<s>", "</s>", "<unk>", "[INST]", "[/INST]", "[IMG]", "[IMG_END]",
    "[IMG_BREAK]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "<<SYS>>", "<</SYS>>",
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>",
    "<|channel|>", "<|message|>", "<|start|>", "<|return|>", "<|call|>",
)  # fmt: skip


class Neutral:
    """Takes these tokens apart wherever they stand."""

    def __init__(self, tokens: Iterable[str]) -> None:
        # One character cannot be broken, and a blank before a token would only grow.
        bare = {token.strip() for token in tokens}
        self.tokens = tuple(sorted((t for t in bare if len(t) > 1), key=lambda t: -len(t)))

    @cached_property
    def _any(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(re.escape, self.tokens))) if self.tokens else None

    def text(self, text: str) -> str:
        """The text without any of the tokens; a text that has none is the same object."""
        if self._any is None:
            return text
        text = _broken(text, self._any)
        if text.isascii():
            return text
        folded = unicodedata.normalize("NFKC", text)
        return _broken(folded, self._any) if self._any.search(folded) else text

    def everywhere(self, value: Any) -> Any:
        """The same for every text in a JSON value, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.everywhere(one) for k, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.everywhere(one) for one in value]
        return value


def _broken(text: str, tokens: re.Pattern[str]) -> str:
    while tokens.search(text):
        text = tokens.sub(lambda m: f"{m[0][0]} {m[0][1:]}", text)
    return text


def of_tokenizer(place: Path) -> tuple[str, ...]:
    """The special tokens that a tokenizer's own files name; `place` is the file or its folder."""
    names = (
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
    )
    files = [place / name for name in names] if place.is_dir() else [place]
    found: set[str] = set()
    for file in files:
        if file.is_file():
            try:
                found |= set(_named(json.loads(file.read_text(encoding="utf-8"))))
            except (OSError, ValueError, RecursionError):
                raise UsageError(f"{file} cannot be read as a tokenizer's JSON") from None
    if not found:
        raise UsageError(f"{place} names no special token; give a folder with tokenizer.json")
    return tuple(sorted(found))


def _named(data: Any) -> Iterable[str]:
    """Added tokens of every shape in which tokenizers write them."""
    if not isinstance(data, dict):
        return
    added = data.get("added_tokens")
    for token in added if isinstance(added, list) else ():
        if isinstance(token, dict) and token.get("special", True):
            yield str(token.get("content", ""))
    decoder = data.get("added_tokens_decoder")
    for token in decoder.values() if isinstance(decoder, dict) else ():
        if isinstance(token, dict) and token.get("special", True):
            yield str(token.get("content", ""))
    for key, value in data.items():
        if key.endswith("_token") or key == "additional_special_tokens":
            for one in value if isinstance(value, list) else [value]:
                content = one.get("content") if isinstance(one, dict) else one
                if isinstance(content, str):
                    yield content
