"""Queries of every shape, for models of every family."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Answer, Failure, Message, Query
from sallet.models import parity, tiny

FAMILIES = tuple(tiny.FAMILIES)
every_family = pytest.mark.parametrize("model", FAMILIES, indirect=True)

QUESTIONS = (
    "what is this?",
    "describe the picture please",
    "is the cat near the red house or the blue car on the road?",
    "do you see two people",
)
SIZES = ((60, 60), (47, 81), (120, 64), (33, 90))


def image(i: int = 0) -> Image:
    """A picture of a kind and size that depend on `i`."""
    pictures = list(parity.PICTURES.values())
    return Image(pictures[i % 3](*SIZES[i % 4]))


def varied(n: int, **sampling: object) -> list[Query]:
    """Queries with none, one or two images, other words, other lengths, some with a system."""
    return [
        Query.ask(
            *(image(i + k) for k in range((1, 2, 0, 1)[i % 4])),
            QUESTIONS[i % 4] + " please" * (i % 3),
            system="the answer is yes" if i % 5 == 4 else None,
            **sampling,
        )
        for i in range(n)
    ]


def chat() -> Query:
    """Two turns, with an image in each."""
    return Query(
        (
            Message("user", (image(1), "what is this?")),
            Message("assistant", ("a red car",)),
            Message("user", ("and this?", image(2))),
        )
    )


GOALS = (
    Goal.say("the red cat"),
    Goal.stop_saying("two people standing near the road"),
    Goal.stop_refusing("sure here is a dog"),
)


def goals(n: int) -> list[Goal]:
    return [GOALS[i % 3] for i in range(n)]


def with_pixels(queries: Sequence[Query]) -> tuple[list[Query], list[Tensor]]:
    """The queries with float images that want gradients, and those tensors."""
    leaves: list[Tensor] = []
    changed: list[Query] = []
    for query in queries:
        own = [one.tensor().clone().requires_grad_() for one in query.images]
        leaves += own
        changed.append(query.with_images([Image(one) for one in own]))
    return changed, leaves


def answered(results: Sequence[Answer | Failure]) -> list[Answer]:
    """The answers; a failure raises its own error."""
    for one in results:
        if isinstance(one, Failure):
            raise one.error
    return [one for one in results if isinstance(one, Answer)]


def close(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    """Equal up to `tolerance` of the larger."""
    return bool((a - b).abs().max() <= tolerance * torch.maximum(a.abs().max(), b.abs().max()))
