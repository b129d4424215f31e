"""From a query to its tensors and tokens, or to an error that names what does not fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sallet.core.errors import ModelError
from sallet.core.query import Query
from sallet.models.prompt import Encoded, Prompter, Turns, turns_of


@dataclass(frozen=True)
class Prepared:
    """A query with its images as tensors, and its prompt as a hashable value and as tokens."""

    query: Query
    images: tuple[Tensor, ...]
    turns: Turns
    prompt: Encoded


class Preparer:
    """Takes queries within the model's pixels and context."""

    def __init__(self, prompter: Prompter, *, max_pixels: int, context: int | None) -> None:
        self._prompter, self._max_pixels, self._context = prompter, max_pixels, context

    def __call__(self, query: Query, *, exact: bool) -> Prepared:
        """`exact` takes 8-bit pixels, what a file would hold; otherwise floats with their graph."""
        images = tuple(
            torch.from_numpy(image.pixels().copy()).permute(2, 0, 1) if exact else image.tensor()
            for image in query.images
        )
        sizes = [(int(image.shape[1]), int(image.shape[2])) for image in images]
        for height, width in sizes:
            if height * width > self._max_pixels:
                raise ModelError(
                    f"an image of {width}x{height} is over the limit of {self._max_pixels:,} "
                    "pixels; shrink it first"
                )
        turns = turns_of(query, sizes)
        prompt = self._prompter.prompt(turns)
        self.check_length(len(prompt.ids) + 1)
        return Prepared(query, images, turns, prompt)

    def check_length(self, tokens: int) -> None:
        """Raises where `tokens` are more than the model holds."""
        if self._context is not None and tokens > self._context:
            raise ModelError(
                f"this query takes {tokens} tokens, images and reply included, and the model "
                f"holds {self._context}; shorten the text, or send fewer or smaller images"
            )


def weight(query: Query) -> tuple[int, int]:
    """Sorts like sizes together (less padding), from the sources alone; nothing is decoded."""
    pixels = sum(image.size[0] * image.size[1] for image in query.images)
    return pixels, sum(len(message.text) for message in query.messages)
