"""What a CI system is told of one cell: each limit, and whether the cell keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sallet.harness.thresholds import Limits, breaches
from sallet.report.export.source import Arm

State = Literal["kept", "broken", "absent", "unassessed"]


@dataclass(frozen=True)
class Check:
    """One limit of one cell; `absent` if the cell has no such rate."""

    name: str
    state: State
    line: str = ""


def checks(arm: Arm, limits: Limits) -> Sequence[Check]:
    """The budget of unassessed rows first: beyond it, no other figure can be trusted."""
    found = [_assessed(arm, limits.most_unassessed)]
    for metric, limit in limits.over.items():
        lines = breaches([arm.sums], {metric: limit}, {})
        found.append(_check(arm, metric, f"{metric} at most {limit:g}", lines))
    for metric, limit in limits.under.items():
        lines = breaches([arm.sums], {}, {metric: limit})
        found.append(_check(arm, metric, f"{metric} at least {limit:g}", lines))
    return found


def _assessed(arm: Arm, most: float) -> Check:
    lost, n = arm.sums["unassessed"], arm.sums["n"]
    name = f"unassessed at most {most:g}"
    if lost / n <= most:
        return Check(name, "kept")
    return Check(name, "unassessed", f"{lost} of {n} rows could not be assessed: {arm.name}")


def _check(arm: Arm, metric: str, name: str, lines: Sequence[str]) -> Check:
    if metric != "unassessed" and arm.sums.get(metric) is None:
        return Check(name, "absent", f"the cell has no {metric}")
    return Check(name, "broken" if lines else "kept", "; ".join(lines))
