"""`HFWords`: the words of queries as a Hugging Face model reads them, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import Any

from torch import Tensor

from sallet.core.query import Query
from sallet.core.worded import Vocabulary
from sallet.models import embeddings, places
from sallet.models.batch import Batch
from sallet.models.prepare import Prepared
from sallet.models.prompt import Prompter, Turns, turns_of

REMEMBERED = 1024


class HFWords:
    """What can be typed, where words stand in a prompt, and what may stand in their place."""

    def __init__(self, model: Any, tokenizer: Any, prompter: Prompter) -> None:
        self._model, self._tokenizer, self._prompter = model, tokenizer, prompter
        self._place = lru_cache(REMEMBERED)(partial(places.find, prompter))
        self._vocabulary: Vocabulary | None = None

    def vocabulary(self) -> Vocabulary:
        """The tokens that somebody can type, and their vectors; worked out once."""
        if self._vocabulary is None:
            self._vocabulary = embeddings.vocabulary(self._model, self._tokenizer)
        return self._vocabulary

    def embed(self, text: str) -> Tensor:
        """The vectors `[n, d]` of a text's tokens."""
        return embeddings.embed(self._model, self._tokenizer, text)

    def tokens(self, query: Query, words: str) -> tuple[int, ...]:
        """What `words`, where they stand last in the query, are to the model; none if nowhere."""
        place = self._place(_turns(query), words)
        return () if place is None else place.tokens

    def respell(self, query: Query, words: str, tokens: Sequence[int]) -> str | None:
        """The text to write in place of `words` so that the model reads exactly these tokens."""
        turns = _turns(query)
        place = self._place(turns, words)
        if place is None:
            return None
        return places.respell(self._prompter, turns, words, place, tokens)

    def moved(
        self, batch: Batch, rows: Sequence[Prepared], words: str, nudge: Tensor
    ) -> AbstractContextManager[None]:
        """While this lasts, the tokens of `words` in every row lie elsewhere by `nudge`."""
        starts: list[int | None] = []
        for row, length in zip(rows, batch.lengths.tolist(), strict=True):
            place = self._place(row.turns, words)
            first = batch.width - length - len(row.prompt.ids)
            found = place is not None and len(place.tokens) == len(nudge)
            starts.append(first + place.in_prompt if place and found else None)
        change = embeddings.spread(nudge, starts, batch.width)
        return embeddings.moved(self._model.get_input_embeddings(), change)


def _turns(query: Query) -> Turns:
    """The chat as a value; a picture is made for its size only where it is still to be changed."""
    sizes = [one.tensor().shape[1:] if one.views else one.size for one in query.images]
    return turns_of(query, [(int(height), int(width)) for height, width in sizes])
