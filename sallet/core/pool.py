"""Calls a worker on many items at once, and lets a failure reach only the item that caused it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from sallet.core.errors import ContractError
from sallet.core.image import Image
from sallet.core.query import Failure, Query, Seeded

T = TypeVar("T")


@runtime_checkable
class Sized(Protocol):
    """An item of a worker's own kind that says how many pixels it stands for."""

    @property
    def pixels(self) -> int: ...


def pixels_of(item: object) -> int:
    """How many pixels an item stands for, at least 1; what `max_pixels` adds up."""
    if isinstance(item, Image):
        return item.size[0] * item.size[1]
    if isinstance(item, Seeded):
        return pixels_of(item.image)
    if isinstance(item, Query):
        return max(1, sum(pixels_of(image) for image in item.images))
    if isinstance(item, Sized):
        return item.pixels
    return 1


def chunks(items: Sequence[T], max_pixels: int) -> Iterator[Sequence[T]]:
    """Consecutive chunks of at most `max_pixels` (a single larger item is a chunk of its own)."""
    start, total = 0, 0
    for i, item in enumerate(items):
        weight = pixels_of(item)
        if i > start and total + weight > max_pixels:
            yield items[start:i]
            start, total = i, 0
        total += weight
    if start < len(items):
        yield items[start:]


def call(worker: Callable[[list[Any]], Sequence[Any]], items: Sequence[Any]) -> list[Any]:
    """One result for each item, in order; halves the batch when it fails, down to single items.

    Memory that ran out and a bad item are handled alike: the halves that work keep their results,
    and a single item that still fails gives a `Failure`.
    """
    try:
        results = list(worker(list(items)))
        if len(results) != len(items):
            raise ContractError(
                f"a worker must give one result for each item; {_named(worker)} gave "
                f"{len(results)} for {len(items)}"
            )
        return results
    except Exception as error:
        _free(error)
        if len(items) == 1:
            return [Failure(error)]
    half = len(items) // 2
    return [*call(worker, items[:half]), *call(worker, items[half:])]


def _named(worker: object) -> str:
    return str(getattr(worker, "name", None) or getattr(worker, "__qualname__", repr(worker)))


def _free(error: Exception) -> None:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        error.__traceback__ = None  # its frames hold the batch that did not fit
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
