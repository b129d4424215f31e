"""Sentences as unit vectors, to tell which answers say the same.

`words` needs no weights: hashed words and pairs of words (scikit-learn). An encoder of the picture
world, or any folder of a text encoder, may take its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray

from sallet.core.errors import ModelError, UnknownName

Rows: TypeAlias = NDArray[np.float32]
WORDS = "words"
SHIPPED = ("world/clip", "world/clip-surrogate")
BUCKETS = 4096


@dataclass(frozen=True)
class Embedder:
    """A worker: texts to unit rows. Two of one name are one worker, and share their calls."""

    encoder: str = WORDS

    def __post_init__(self) -> None:
        if self.encoder == WORDS or self.encoder in SHIPPED:
            return
        folder = Path(self.encoder).expanduser()
        if not folder.is_dir():
            raise UnknownName("embedder (or folder of one)", self.encoder, (WORDS, *SHIPPED))
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} holds no config.json; give a folder of a text encoder")

    @property
    def name(self) -> str:
        """What its calls are counted under."""
        return f"embedder {self.encoder}"

    def __call__(self, texts: Sequence[str]) -> list[Rows]:
        return list(_loaded(self.encoder)(texts))


@cache
def _loaded(encoder: str) -> Callable[[Sequence[str]], Rows]:
    if encoder == WORDS:
        return _words
    if encoder in SHIPPED:
        from sallet.world.load import encoder as shipped

        return _of_tower(shipped(encoder))
    kind = json.loads((Path(encoder).expanduser() / "config.json").read_bytes()).get("model_type")
    if kind in ("clip", "siglip", "siglip2"):
        from sallet.models.towers import Tower

        return _of_tower(Tower.from_pretrained(Path(encoder).expanduser(), device="cpu"))
    return _pooled(Path(encoder).expanduser())


def _words(texts: Sequence[str]) -> Rows:
    from sklearn.feature_extraction.text import HashingVectorizer

    hashed = HashingVectorizer(
        n_features=BUCKETS, ngram_range=(1, 2), alternate_sign=False, token_pattern=r"(?u)\b\w+\b"
    )
    return cast(Any, hashed.transform(texts)).toarray().astype(np.float32)


def _of_tower(tower: Any) -> Callable[[Sequence[str]], Rows]:
    @torch.no_grad()
    def embed(texts: Sequence[str]) -> Rows:
        # One by one: a batch's padding would move a row in its last digits.
        return np.stack([tower.embed_texts([text])[0].cpu().numpy() for text in texts])

    return embed


def _pooled(folder: Path) -> Callable[[Sequence[str]], Rows]:
    """The mean of the last layer's tokens, as SmoothGuard's own code takes it."""
    from transformers import AutoModel, AutoTokenizer

    try:
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ModelError(f"cannot load the embedder {folder}: {first}") from error
    longest = getattr(model.config, "max_position_embeddings", 512) - 2

    @torch.no_grad()
    def embed(texts: Sequence[str]) -> Rows:
        rows: list[Rows] = []
        for text in texts:
            tokens = tokenizer(
                text or " ", truncation=True, max_length=longest, return_tensors="pt"
            )
            states = model(**tokens).last_hidden_state[0]
            row = states.mean(0)
            rows.append((row / row.norm().clamp_min(1e-9)).numpy())
        return np.stack(rows)

    return embed
