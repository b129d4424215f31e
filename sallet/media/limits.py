"""How much is taken, and how much of an image a model will see."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

from sallet.core.errors import UsageError

MIB: Final = 2**20


@dataclass(frozen=True)
class Limits:
    """What is refused before any work is done, and what a worker process may take.

    `encoded` is in bytes; `pixels` and `side` hold for the header of an image, `seconds`,
    `samples`, `channels` and the rates for the header of a sound, `parts` for a query. An image
    that could not be decoded in `memory` bytes is refused by its header, too; in a worker the
    system holds that limit, and the worker is ended after `patience` seconds.
    """

    encoded: int = 20 * MIB
    pixels: int = 64_000_000
    side: int = 16_384
    parts: int = 20
    seconds: float = 600
    samples: int = 32_000_000
    channels: int = 2
    lowest_rate: int = 4_000
    highest_rate: int = 192_000
    memory: int = 1536 * MIB
    patience: float = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"the limit {field.name} is {value}; give a number above 0")
        if self.memory < 128 * MIB:
            raise UsageError(
                f"a worker with {self.memory} bytes of memory cannot start; give at least "
                f"{128 * MIB}"
            )


STRANGERS: Final = Limits()
# For files that are the user's own, such as the lossless images of a run.
LOCAL: Final = Limits(encoded=256 * MIB, memory=4096 * MIB)


@dataclass(frozen=True)
class Sees:
    """What a model will see of an image: at most so long a side, at most so many pixels."""

    side: int | None = None
    pixels: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("side", self.side), ("pixels", self.pixels)):
            if value is not None and value < 1:
                raise UsageError(f"a model that sees a {name} of {value} is blind; give 1 or more")

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """The largest size of the same shape within both bounds; never larger than it is.

        A size that fits is returned as it is, so fitting twice is fitting once.
        """
        if self.side is not None and max(width, height) > self.side:
            longest = max(width, height)
            width = max(1, round(width * self.side / longest))
            height = max(1, round(height * self.side / longest))
        if self.pixels is not None and width * height > self.pixels:
            scale = math.sqrt(self.pixels / (width * height))
            width, height = max(1, int(width * scale)), max(1, int(height * scale))
            # A side that was held at one pixel leaves the other too long.
            width, height = min(width, self.pixels), min(height, self.pixels)
        return width, height
