"""CoDefend whole (2510.11096): its purifier for the pictures, its prefix for the words."""

from __future__ import annotations

from typing import Any

from sallet.core.compose import Stack
from sallet.defenses.prefix import Prefix
from sallet.defenses.purify import FLOW, CoDefend


class Whole(Stack):
    """A stack with a name of its own."""

    @property
    def name(self) -> str:
        return "codefend"


def codefend(
    *,
    source: str = "world",
    folder: str = FLOW,
    steps: int | None = None,
    noise: float | None = None,
    gate: float | None = None,
    device: str = "cpu",
) -> Whole:
    """The prefix before the request, and every picture of it purified."""
    words: Any = Prefix(source)
    return Whole(words, CoDefend(folder, device, steps, noise, gate))
