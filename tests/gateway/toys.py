"""Defences in every shape, whose workers say how they were called."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sallet.core.image import Image
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query, Seeded, refusal

CALLS: list[int] = []
GO = threading.Event()
GO.set()


def layer(kind: type, **params: object) -> dict[str, object]:
    """A defence of this module, as a policy names it."""
    return {"name": kind.__name__.lower(), "target": f"{__name__}:{kind.__name__}", **params}


@dataclass(frozen=True)
class Brightness:
    """Mean brightness of each image; remembers how many came together."""

    slow: float = 0.0

    def __call__(self, items: Sequence[Image]) -> list[float]:
        CALLS.append(len(items))
        assert GO.wait(20)
        time.sleep(self.slow)
        if any(int(image.pixels()[0, 0, 0]) == 13 for image in items):
            raise RuntimeError("a secret of the detector")
        return [float(image.pixels().mean()) for image in items]


@dataclass(frozen=True)
class Screen:
    """Refuses bright pictures."""

    slow: float = 0.0
    name: str = "screen"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not query.images:
            return query
        bright = max(await via.batch(Brightness(self.slow), query.images))
        return refusal(self.name) if await via.decide(bright - 200) else query


@dataclass(frozen=True)
class Negative:
    """Turns every picture into its negative."""

    name: str = "negative"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        return query.with_images(await via.batch(_negative, query.seeded_images()))


def _negative(items: list[Seeded]) -> list[Image]:
    return [Image(np.asarray(255 - item.image.pixels(), np.uint8)) for item in items]


@dataclass(frozen=True)
class Checked:
    """Asks, then asks whether the answer is fine, and withholds what is not."""

    name: str = "checked"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (answer,) = await via.ask(query)
        check = query.with_text(after="is this fine?")
        (verdict,) = await via.ask(check, role="check", evading="fine")
        return refusal(self.name) if "bad" in verdict.text else answer


@dataclass(frozen=True)
class Broken:
    """Fails on every query."""

    name: str = "broken"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        raise RuntimeError("a secret of the defence")


@dataclass(frozen=True)
class Unbuildable(Broken):
    """Cannot be made at all."""

    name: str = "unbuildable"

    def __post_init__(self) -> None:
        raise RuntimeError("its weights are for another machine")
