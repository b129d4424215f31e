"""The rows of a run as they are looked for: by words, by outcome, by any part of their key."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

FACETS: Final = ("outcome", "model", "benchmark", "attack", "access", "defense", "goal", "category")
SORTS: Final = ("order", "sample", "outcome", "seconds", "loss_end", "score")
MOST: Final = 200
"""Rows that are sent at once."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for: words that must all be there, values of facets, an order, a window."""

    words: tuple[str, ...] = ()
    facets: tuple[tuple[str, str], ...] = ()
    only: str = ""
    """`differs` where two judges contradict each other, `refused` where anyone refused."""
    sort: str = "order"
    down: bool = False
    start: int = 0
    count: int = 50


class Index:
    """All rows of a run; lines that cannot be read are counted and left out."""

    def __init__(self, lines: Sequence[str]) -> None:
        # Nothing of this is garbage: looking for some among a million new objects takes as long
        # as reading them.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._read(lines)
        finally:
            if collecting:
                gc.enable()
        self._found = lru_cache(maxsize=64)(self._look)

    def _read(self, lines: Sequence[str]) -> None:
        self.rows: list[dict[str, Any]] = []
        self.unread = 0
        for line in filter(None, lines):
            try:
                row = json.loads(line)
                key = row["key"]
                self.rows.append({**row, **{name: key[name] for name in FACETS if name in key}})
            except (ValueError, KeyError, TypeError):
                self.unread += 1
        self._texts = [_text(row) for row in self.rows]
        self._values = {name: [_shown(row.get(name)) for row in self.rows] for name in FACETS}

    @cached_property
    def facets(self) -> Mapping[str, Mapping[str, int]]:
        """Every value of every facet with more than one, and how many rows have it."""
        counted = {name: Counter(values) for name, values in self._values.items()}
        return {n: dict(c.most_common(60)) for n, c in counted.items() if len(c) > 1}

    def page(self, wanted: Wanted) -> dict[str, Any]:
        """The rows of this window, and how many there are in all."""
        found = self._found(wanted.words, wanted.facets, wanted.only, wanted.sort, wanted.down)
        start = max(0, wanted.start)
        window = found[start : start + max(1, min(wanted.count, MOST))]
        return {
            "total": len(self.rows),
            "found": len(found),
            "start": start,
            "rows": [short(self.rows[i], i) for i in window],
        }

    def whole(self, number: int) -> dict[str, Any] | None:
        """Everything that a row holds."""
        return self.rows[number] if 0 <= number < len(self.rows) else None

    def _look(
        self,
        words: tuple[str, ...],
        facets: tuple[tuple[str, str], ...],
        only: str,
        sort: str,
        down: bool,
    ) -> list[int]:
        kept: Sequence[int] = range(len(self.rows))
        for name, value in facets:
            values = self._values.get(name)
            if values is not None:
                kept = [i for i in kept if values[i] == value]
        for word in words:
            kept = [i for i in kept if word in self._texts[i]]
        if only:
            kept = [i for i in kept if _is(self.rows[i], only)]
        if sort in SORTS[1:]:
            known = [i for i in kept if self.rows[i].get(sort) is not None]
            lost = [i for i in kept if self.rows[i].get(sort) is None]
            known.sort(key=lambda i: (self.rows[i][sort], i), reverse=down)
            return [*known, *lost]
        return list(reversed(kept)) if down else list(kept)


def short(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """What a list shows of a row."""
    names = (
        "sample", "outcome", "reason", "question", "answer", "refused_by", "model", "benchmark",
        "attack", "access", "defense", "goal", "category", "harmful", "seconds", "score",
        "second_judge", "second_outcome",
    )  # fmt: skip
    made = {name: row.get(name) for name in names}
    return {
        **made,
        "number": number,
        "eps": row["key"].get("eps"),
        "judge": row["key"].get("judge"),
    }


def _text(row: Mapping[str, Any]) -> str:
    parts = [row.get(n) for n in ("sample", "question", "answer", "clean_answer", "reason",
                                  "refused_by", *FACETS)]  # fmt: skip
    return "\n".join(str(part) for part in parts if part).casefold()


def _shown(value: object) -> str:
    return "none" if value in (None, "") else str(value)


def _is(row: Mapping[str, Any], only: str) -> bool:
    if only == "refused":
        return bool(row.get("refused_by"))
    pair = (row.get("outcome"), row.get("second_outcome"))
    return bool(pair[1]) and "unassessed" not in pair and pair[0] != pair[1]
