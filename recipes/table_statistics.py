"""How often the intervals hold the truth: the tables of docs/statistics.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from table_cells import RESULTS, table

Setting = dict[str, Any]


def measured() -> dict[str, Any] | None:
    """What `benchmarks/intervals.py` wrote."""
    path = RESULTS / "bench-statistics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def shares(found: dict[str, Any]) -> str:
    """Coverage of a share's interval: a line for each set of clusters, a column for each rate."""
    return _grid(found["shares"], lambda one: f"{100 * one['rate']:.0f} %")


def differences(found: dict[str, Any]) -> str:
    """The same of a paired difference: a column for each pair of gained and lost."""
    return _grid(
        found["differences"],
        lambda one: f"{100 * one['gained']:.0f} % gained, {100 * one['lost']:.0f} % lost",
    )


def plain(found: dict[str, Any]) -> str:
    """How many settings are covered within 93 to 97 %: as it is, and by percentiles alone."""
    shares, pairs = found["shares"], found["differences"]
    easy = [
        one
        for one in shares
        if one["clusters"] >= 20 and one["sizes"] != "3 to 40" and 0.1 <= one["rate"] <= 0.9
    ]
    lines = [
        ["a share", *_counts(one["coverage"] for one in shares)],
        ["– 20 and more equal clusters, 10 to 90 %", *_counts(one["coverage"] for one in easy)],
        ["a share, by percentiles alone", *_counts(one["percentile"] for one in shares)],
        ["a paired difference", *_counts(one["coverage"] for one in pairs)],
    ]
    return table(["", "settings", "93 to 97 %", "more", "less", "least"], lines)


def speed(found: dict[str, Any]) -> str:
    """Seconds for 20,000 rows."""
    lines = [
        [
            name if " " not in name else f"`sallet {name}`",
            f"{one['cpu']:.1f}",
            f"{one['seconds']:.1f}",
        ]
        for name, one in found["speed"].items()
    ]
    return table(["20,000 rows a run", "seconds of a processor", "by the clock"], lines)


def _grid(settings: list[Setting], column: Any) -> str:
    columns = list(dict.fromkeys(column(one) for one in settings))
    lines: dict[tuple[int, str], dict[str, list[str]]] = {}
    for one in settings:
        line = lines.setdefault((one["clusters"], one["sizes"]), {})
        line.setdefault(column(one), []).append(_percent(one["coverage"]))
    return table(
        ["clusters", "rows in each", *columns],
        [
            [str(count), sizes, *(" / ".join(line[name]) for name in columns)]
            for (count, sizes), line in lines.items()
        ],
    )


def _counts(coverage: Iterable[float]) -> list[str]:
    known = list(coverage)
    less, more = sum(one < 0.93 for one in known), sum(one > 0.97 for one in known)
    within = len(known) - less - more
    return [*map(str, (len(known), within, more, less)), f"{100 * min(known):.0f} %"]


def _percent(share: float) -> str:
    """Bold where it is less than promised by more than chance and a point."""
    shown = f"{100 * share:.0f}"
    return f"**{shown}**" if share < 0.93 else shown
