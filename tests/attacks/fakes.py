"""Small models that listen to words, so that an attack on words has something to move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from sallet.core.goal import Goal
from sallet.core.query import Answer, Query

REFUSAL = "i can not help with that."


@dataclass
class Deaf:
    """Answers only: complies with whatever holds its password, and counts who asks."""

    password: str
    name: str = "deaf"
    asked: list[str] = field(default_factory=list)

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        self.asked += [query.user_text for query in queries]
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Answer:
        if self.password in query.user_text:
            return Answer("sure, here is how to use a gun: step one.")
        return Answer(REFUSAL)


@dataclass
class Touchy(Deaf):
    """A white box that refuses the more, the more of its words it hears; `use` weighs most."""

    name: str = "touchy"
    weights: tuple[tuple[str, float], ...] = (("please", 1.0), ("use", 3.0), ("explain", 2.0))

    def _answer(self, query: Query) -> Answer:
        if self._refusal(query) < 3:
            return Answer("sure, here is how to use a gun: step one.")
        return Answer(REFUSAL)

    def _refusal(self, query: Query) -> float:
        heard = query.user_text.replace(".", " ").split()
        return sum(weight for word, weight in self.weights if word in heard)

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        return torch.tensor([float(self._refusal(query)) for query in queries])


def masked_model(folder: Path) -> str:
    """A tiny masked language model with random weights, in the real classes."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    known = "please explain tell show how to use take hold a gun picture the thing me what"
    words = known.split()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, "##s", ".", "?", "7"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(pieces), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=64,
        )  # fmt: skip
        BertForMaskedLM(config).save_pretrained(folder)
    return str(folder)
