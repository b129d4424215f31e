"""Limits that a run must keep, for continuous integration: `asr` at most, `utility` at least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sallet.core.errors import UnknownName, UsageError

METRICS = ("asr", "harmless", "over_refusal", "utility", "flip_rate", "unassessed")
Side = Literal["over", "under"]


@dataclass(frozen=True)
class Limits:
    """What every cell must keep, and how much of a run may be unassessed."""

    over: Mapping[str, float] = field(default_factory=dict[str, float])
    under: Mapping[str, float] = field(default_factory=dict[str, float])
    most_unassessed: float = 0.1


def parse(pairs: Sequence[str], side: Side) -> dict[str, float]:
    """`["asr=0.2"]` to `{"asr": 0.2}`."""
    limits: dict[str, float] = {}
    for pair in (one for text in pairs for one in text.split(",")):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if name not in METRICS:
            raise UnknownName(f"metric of --fail-{side}", name, METRICS)
        try:
            limits[name] = float(value)
        except ValueError:
            limits[name] = -1.0
        if not sign or not 0 <= limits[name] <= 1:
            raise UsageError(f"--fail-{side} takes METRIC=SHARE from 0 to 1, not {pair!r}")
    return limits


def breaches(
    cells: Sequence[Mapping[str, Any]], over: Mapping[str, float], under: Mapping[str, float]
) -> list[str]:
    """A line for each cell and metric whose rate is past its limit, worst first.

    `cells` are of `summary.json`. The rate itself is compared, not an end of its interval.
    """
    found: list[tuple[float, str]] = []
    for cell in cells:
        for limits, side in ((over, 1), (under, -1)):
            for name, limit in limits.items():
                value, shown = _value(cell, name)
                if value is not None and side * (value - limit) > 0:
                    word = "above" if side > 0 else "below"
                    where = f"{cell['model']}, {cell['benchmark']}: {_attack(cell)} on "
                    where += str(cell["defense"])
                    line = f"{name} {shown} is {word} {limit:g}: {where}"
                    found.append((-side * (value - limit), line))
    return [line for _, line in sorted(found)]


def _value(cell: Mapping[str, Any], name: str) -> tuple[float | None, str]:
    if name == "unassessed":
        share = cell["unassessed"] / cell["n"]
        return share, f"{share:.3f} ({cell['unassessed']} of {cell['n']})"
    rate = cell.get(name)
    if rate is None:
        return None, ""
    return rate[0], f"{rate[0]:.3f} [{rate[1]:.3f}, {rate[2]:.3f}]"


def _attack(cell: Mapping[str, Any]) -> str:
    eps = "" if cell.get("eps") is None else f" {cell['eps']:g}/255"
    goal = "" if cell.get("goal") is None else f" {cell['goal']}"
    access = "" if cell["access"] == "none" else f" ({cell['access']})"
    return f"{cell['attack']}{goal}{eps}{access}"
