"""When to ask an endpoint again, and how long to wait first. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 30.0


@dataclass(frozen=True)
class Backoff:
    """At most `retries` more attempts, after waits that double from `first` seconds on."""

    retries: int = 4
    first: float = 0.5
    longest: float = LONGEST

    def wait(self, failed: int, *, asked: float | None, chance: float) -> float | None:
        """Seconds to wait after `failed` failed attempts; None: give up.

        Never shorter than what the endpoint asked for. `chance` in [0, 1) spreads clients over the
        upper half of the wait, so that they do not come back together.
        """
        if failed > self.retries:
            return None
        own = min(self.longest, self.first * 2.0 ** min(failed - 1, 60)) * (0.5 + 0.5 * chance)
        return own if asked is None else max(asked, own)


def passing(status: int) -> bool:
    """Whether another attempt may go better: time-out, conflict, too many requests, a fault."""
    return status in (408, 409, 429) or status >= 500


def asked_wait(header: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for, given as seconds or as an HTTP date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
