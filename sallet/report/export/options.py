"""What the user asked of an export, checked against what the format can do."""

from __future__ import annotations

from dataclasses import dataclass, field

from sallet.harness.thresholds import Limits


@dataclass(frozen=True)
class Options:
    """`what` is `rows` or `cells`; the rest is for the formats that can use it."""

    what: str
    limits: Limits = field(default_factory=Limits)
    images: bool = True
    place: str | None = None  # the file that alerts are shown at
