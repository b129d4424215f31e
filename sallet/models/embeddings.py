"""The input side of a language model: what its tokens are, where they lie, and moving them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sallet.core.errors import ModelError
from sallet.core.worded import Vocabulary

_MARK = "\u2581"
"""What SentencePiece writes for a blank."""


def vocabulary(model: Any, tokenizer: Any) -> Vocabulary:
    """What can be typed, of all that the tokenizer knows and the model has a vector for."""
    embedding = model.get_input_embeddings()
    known = min(len(tokenizer), int(embedding.weight.shape[0]))
    barred = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    every = tokenizer.batch_decode([[i] for i in range(known)], clean_up_tokenization_spaces=False)
    kept = [i for i, text in enumerate(every) if i not in barred and _typed(text)]
    texts = [every[i].strip() for i in kept]
    ids = torch.tensor(kept, device=embedding.weight.device)
    whole = [
        text.isalpha() and read == [i]
        for i, text, read in zip(kept, texts, _read(tokenizer, texts), strict=True)
    ]
    return Vocabulary(ids, _vectors(embedding, ids), tuple(texts), torch.tensor(whole))


def embed(model: Any, tokenizer: Any, text: str) -> Tensor:
    """The vectors of a text's tokens, as in the middle of a sentence."""
    embedding = model.get_input_embeddings()
    (tokens,) = _read(tokenizer, [text])
    return _vectors(embedding, torch.tensor(tokens, device=embedding.weight.device).long())


@contextmanager
def moved(embedding: nn.Module, change: Tensor) -> Iterator[None]:
    """While this lasts, `change` `[B, T, d]` is added to what the embedding gives for a batch.

    The model sees token ids as ever, so that pictures and positions find their places.
    """
    times: list[int] = []

    def hook(_module: nn.Module, _inputs: Any, out: Tensor) -> Tensor:
        if out.shape != change.shape:
            return out
        times.append(1)
        return out + change.to(out.dtype)

    handle = embedding.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
    if len(times) != 1:
        raise ModelError(
            f"this model looked its tokens up {len(times)} times in one pass, not once: its words "
            "cannot be differentiated; attack its pixels"
        )


def spread(nudge: Tensor, starts: Sequence[int | None], width: int) -> Tensor:
    """`nudge` `[n, d]` at each row's start in a batch of `width` tokens; zero elsewhere."""
    change = torch.zeros(len(starts), width, nudge.shape[1], device=nudge.device, dtype=nudge.dtype)
    for row, start in enumerate(starts):
        if start is not None:
            change[row, start : start + len(nudge)] = nudge
    return change


def _typed(text: str) -> bool:
    bare = text.strip()
    return bool(bare) and bare.isprintable() and "\ufffd" not in bare


def _read(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Each text's tokens after a blank; a blank that is a token of its own before them is dropped.

    (Some tokenizers put a second one before every text. Where the blank is that of the text, what
    follows it is no beginning of a word, and stays apart from it.)
    """
    if not texts:
        return []
    out = tokenizer([f" {text}" for text in texts], add_special_tokens=False)["input_ids"]
    marked = [tokenizer.convert_ids_to_tokens(ids[0]) == _MARK if ids else False for ids in out]
    begins = [len(ids) > 1 and _begins(tokenizer, ids[1]) for ids in out]
    return [
        list(ids[1:] if m and b else ids) for ids, m, b in zip(out, marked, begins, strict=True)
    ]


def _begins(tokenizer: Any, token: int) -> bool:
    return str(tokenizer.convert_ids_to_tokens(token)).startswith(_MARK)


@torch.no_grad()
def _vectors(embedding: nn.Module, ids: Tensor) -> Tensor:
    """As the model takes them in: some families scale what their table holds."""
    return embedding(ids).detach()
