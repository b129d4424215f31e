"""What the user asked of an export, checked against what the format can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What a CI system is told that every cell must keep."""

    over: Mapping[str, float] = field(default_factory=dict[str, float])
    under: Mapping[str, float] = field(default_factory=dict[str, float])
    most_unassessed: float = 0.1


@dataclass(frozen=True)
class Options:
    """`what` is `rows` or `cells`; the rest is for the formats that can use it."""

    what: str
    limits: Limits = field(default_factory=Limits)
    images: bool = True
    place: str | None = None  # the file that alerts are shown at
