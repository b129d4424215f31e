"""What may stand in place of a word: what a masked language model expects there, or what lies
near it among a model's own embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from sallet.core.errors import ModelError, RecipeError
from sallet.core.worded import Lexicon
from sallet.models import hub

Substitutes: TypeAlias = Callable[[str, int, int], list[str]]
"""A text and from where to where the word goes in it; the best first, never the word itself."""


def neighbours(words: Lexicon, count: int) -> Substitutes:
    """The whole words whose vectors point most nearly the same way; what is around is not seen."""

    @lru_cache(4096)
    def near(word: str) -> tuple[str, ...]:
        vocabulary = words.vocabulary()
        own = words.embed(word)
        if not len(own):
            return ()
        every = vocabulary.vectors[vocabulary.whole.to(vocabulary.vectors.device)]
        texts = [t for t, w in zip(vocabulary.texts, vocabulary.whole.tolist(), strict=True) if w]
        alike = functional.cosine_similarity(every.float(), own.float().mean(0)[None])
        ordered = [texts[i] for i in alike.argsort(descending=True).tolist()]
        return tuple(_others(ordered, word, count))

    return lambda text, start, end: list(near(text[start:end]))


def masked(name_or_path: str, count: int) -> Substitutes:
    """What a masked language model expects where the word is (BERT-Attack, Li et al. 2020).

    Only what its tokenizer holds as one whole word is taken.
    """
    model, tokenizer = _load(name_or_path)

    def expected(text: str, start: int, end: int) -> list[str]:
        hidden = text[:start] + tokenizer.mask_token + text[end:]
        inputs = tokenizer(hidden, return_tensors="pt", truncation=True)
        inputs.pop("token_type_ids", None)
        (places,) = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero(as_tuple=True)
        if not len(places):  # cut off with the end of a long text
            return []
        with torch.no_grad():
            logits = model(**inputs).logits[0, int(places[0])]
        order = logits.argsort(descending=True)[: 4 * count].tolist()
        pieces = [tokenizer.decode([token]).strip() for token in order]
        return _others([p for p in pieces if p.isalpha()], text[start:end], count)

    return expected


@lru_cache(2)
def _load(name_or_path: str) -> tuple[Any, Any]:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    try:
        fetched = hub.options(name_or_path)
        tokenizer: Any = AutoTokenizer.from_pretrained(name_or_path, **fetched)
        model: Any = AutoModelForMaskedLM.from_pretrained(name_or_path, **hub.of_weights(fetched))
    except (OSError, ValueError, KeyError, ModelError) as error:
        raise RecipeError(
            f"masked must name a masked language model with its tokenizer, a folder or a hub name; "
            f"{name_or_path!r} cannot be loaded: {error}"
        ) from error
    if tokenizer.mask_token is None:
        raise RecipeError(f"the tokenizer of {name_or_path!r} has no mask token: give another")
    return model.eval().requires_grad_(False), tokenizer


def _others(ordered: list[str], word: str, count: int) -> list[str]:
    """The first so many that are not the word, in its letter case."""
    unlike = (text for text in ordered if text.casefold() != word.casefold())
    cased = (text.capitalize() if word[:1].isupper() else text for text in unlike)
    return list(dict.fromkeys(cased))[:count]
