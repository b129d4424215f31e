"""A small page of what is going on: read-only, off unless the policy names its key.

It is drawn on the server from counts in memory; there is no script in it, and nothing of a request
but what its record has. Thumbnails are shown only where the policy stores content.
"""

from __future__ import annotations

import html
import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sallet.gateway.audit import Record

KEPT: Final = 2_000  # requests that are remembered for the page
_STAGES: Final = 64  # of each
_SHOWN: Final = 20
_STYLE: Final = (
    "body{font:15px system-ui;margin:2em;max-width:70em;color:#222}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}"
    "td.n{text-align:right}i{display:inline-block;background:#48a;height:.7em}"
)


@dataclass(frozen=True)
class Seen:
    """What the page shows of a record. The rest of it is as long as a client wants."""

    id: str
    at: str
    verdict: str
    why: str
    stages: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, record: Record) -> Seen:
        """Of a request's record."""
        why = record["code"] or record["refused_by"] or ""
        stages = tuple((one["stage"], one["ms"]) for one in record["stages"][:_STAGES])
        return cls(record["id"], record["at"], str(record["verdict"]), why, stages)


class Recent:
    """The last requests, for the page alone."""

    def __init__(self) -> None:
        self.requests: deque[Seen] = deque(maxlen=KEPT)
        self.pictures: dict[str, str | None] = {}  # of the interventions that were shown last

    def add(self, record: Record) -> None:
        """Remembers one."""
        self.requests.append(Seen.of(record))

    @property
    def interventions(self) -> list[Seen]:
        """The last requests that were not answered, newest first."""
        found = [r for r in self.requests if r.verdict in ("refused", "rejected", "failed")]
        return found[: -_SHOWN - 1 : -1]


def page(
    recent: Recent,
    pictures: Mapping[str, str],
    *,
    now: float | None = None,
    ready: bool,
    policy: str,
    processes: int = 1,
) -> str:
    """The page as HTML; every value in it is escaped. One of several processes shows its own.

    `pictures` are data URLs of PNGs, by request.
    """
    seen = list(recent.requests)
    verdicts = Counter(one.verdict for one in seen)
    minutes = Counter(one.at[:16] for one in seen)
    slow: dict[str, list[float]] = {}
    for one in seen:
        for stage, ms in one.stages:
            slow.setdefault(stage, []).append(ms)
    means = sorted(((sum(ms) / len(ms), name) for name, ms in slow.items()), reverse=True)
    whose = f" of process {os.getpid()}, one of {processes}" if processes > 1 else ""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    parts = [
        "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5>",
        f"<title>sallet</title><style>{_STYLE}</style>",
        f"<h1>sallet</h1><p>{'ready' if ready else 'not ready'}, policy {html.escape(policy)}, ",
        f"{when} UTC, the last {len(seen)} requests{whose}</p>",
        _table("verdicts", [(name, n, _bar(n, len(seen)))
                            for name, n in verdicts.most_common()]),
        _table("a minute", [(at, n, _bar(n, max(minutes.values(), default=1)))
                            for at, n in sorted(minutes.items())[-15:]]),
        _table("slowest stages, mean ms", [(name, f"{ms:.1f}", "") for ms, name in means[:10]]),
        _table("last interventions", [
            (one.at, f"{one.verdict} {one.why}", _pictured(one.id, pictures.get(one.id)))
            for one in recent.interventions
        ]),
    ]  # fmt: skip
    return "".join(parts)


class Markup(str):
    """Markup of ours, not to be escaped."""


def _bar(n: int, whole: int) -> Markup:
    return Markup(f"<i style='width:{10 * n / max(whole, 1):.2f}em'></i>")


def _pictured(id: str, url: str | None) -> str:
    return id if url is None else Markup(f"{html.escape(id)}<br><img src='{html.escape(url)}'>")


def _table(title: str, rows: list[tuple[Any, Any, Any]]) -> str:
    def cell(value: Any) -> str:
        return value if isinstance(value, Markup) else html.escape(str(value))

    lines = "".join(f"<tr><td>{cell(a)}<td class=n>{cell(b)}<td>{cell(c)}" for a, b, c in rows)
    return f"<h2>{html.escape(title)}</h2><table>{lines or '<tr><td>nothing yet'}</table>"
