"""`TextModel`: a causal language model without eyes, to judge by; greedy, batched, no gradients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sallet.core.errors import ModelError
from sallet.core.query import Answer, Failure, Query
from sallet.models import hub
from sallet.models.load import device_of

BATCH = 16


class TextModel:
    """Answers chats of text alone with any `AutoModelForCausalLM` that has a chat template."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str) -> None:
        if getattr(tokenizer, "chat_template", None) is None:
            raise ModelError(f"{name} has no chat template; name an instruction-tuned checkpoint")
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.model, self.tokenizer, self.name = model, tokenizer, name

    @classmethod
    def from_pretrained(cls, source: str, *, device: str = "auto") -> TextModel:
        """A folder or a hub name."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            fetched = hub.options(source)
            tokenizer = AutoTokenizer.from_pretrained(source, **fetched)
            model: Any = AutoModelForCausalLM.from_pretrained(
                source, dtype="auto", **hub.of_weights(fetched)
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            first = str(error).splitlines()[0]
            raise ModelError(f"cannot load {source}: {first}") from error
        model = model.to(device_of(device)).eval().requires_grad_(False)
        return cls(model, tokenizer, name=Path(source).name)

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """One answer each, in order; a batch that fails costs its own answers."""
        made: list[Answer | Failure] = []
        for start in range(0, len(queries), BATCH):
            part = queries[start : start + BATCH]
            try:
                made += self._batch(part)
            except Exception as error:
                made += [Failure(error)] * len(part)
        return made

    @torch.no_grad()
    def _batch(self, queries: Sequence[Query]) -> list[Answer]:
        texts = [self._chat(query) for query in queries]
        given = self.tokenizer(
            texts, return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self.model.device)
        most = max(query.sampling.max_tokens for query in queries)
        out = self.model.generate(
            **given, max_new_tokens=most, do_sample=False, pad_token_id=self.tokenizer.pad_token_id
        )
        ends = self.model.generation_config.eos_token_id
        known = {*ends} if isinstance(ends, list) else {ends}
        made: list[Answer] = []
        for row in out[:, given["input_ids"].shape[1] :].tolist():
            stopped = any(token in known for token in row)
            text = self.tokenizer.decode(row, skip_special_tokens=True)
            made.append(Answer(text, finish="stop" if stopped else "length"))
        return made

    def _chat(self, query: Query) -> str:
        if query.images:
            raise ModelError(f"{self.name} takes no pictures; this chat has some")
        chat = [{"role": m.role, "content": m.text} for m in query.messages]
        return self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
