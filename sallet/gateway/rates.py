"""How often a client may ask: a bucket that fills slowly, here or in a shared Redis."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import Any, Final, Protocol

from sallet.core.errors import UsageError
from sallet.gateway.refusals import Refused

MOST: Final = 100_000  # clients that are remembered; the one that was away longest is forgotten
PATIENCE: Final = 1.0  # seconds for Redis


class Limiter(Protocol):
    """Takes one request of `who` from a bucket of `burst` that fills by `rate` a second."""

    async def take(self, who: str, rate: float, burst: int) -> float:
        """0, or the seconds to wait."""
        ...

    async def close(self) -> None: ...


class Local:
    """Buckets of this process."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, who: str, rate: float, burst: int) -> float:
        now = time.monotonic()
        held, at = self._buckets.pop(who, (float(burst), now))
        held = min(float(burst), held + (now - at) * rate)
        wait = 0.0 if held >= 1 else (1 - held) / rate
        self._buckets[who] = (held - 1 if wait == 0 else held, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return wait

    async def close(self) -> None:
        return None


# One step on the server, by its own clock, so that replicas cannot count past each other.
_SCRIPT: Final = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local b = redis.call('HMGET', KEYS[1], 'held', 'at')
local held, at = tonumber(b[1]) or burst, tonumber(b[2]) or now
held = math.min(burst, held + math.max(0, now - at) * rate)
local wait = 0
if held >= 1 then held = held - 1 else wait = (1 - held) / rate end
redis.call('HSET', KEYS[1], 'held', tostring(held), 'at', tostring(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return tostring(wait)
"""


class Shared:
    """Buckets in Redis. When it cannot be reached, nothing is let through."""

    def __init__(self, url: str) -> None:
        try:
            from redis.asyncio import Redis
        except ImportError:
            raise UsageError("rates.redis needs the package redis: pip install redis") from None
        try:
            self._redis: Any = Redis.from_url(
                url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
            )
        except ValueError as error:
            raise UsageError(f"rates.redis: {error}") from None
        self._script = self._redis.register_script(_SCRIPT)

    async def take(self, who: str, rate: float, burst: int) -> float:
        from redis.exceptions import RedisError

        try:
            said = await self._script(keys=[f"sallet:rate:{who}"], args=[rate, burst])
            wait = float(said)
        except (RedisError, OSError, TimeoutError, ValueError):
            raise Refused("limits-failed") from None
        return wait

    async def close(self) -> None:
        await self._redis.aclose()


async def check(limiter: Limiter, who: str, per_minute: float | None, burst: int | None) -> None:
    """Lets the request through, or refuses it with the time to wait."""
    if per_minute is None:
        return
    room = burst or max(1, math.ceil(per_minute / 6))
    wait = await limiter.take(who, per_minute / 60, room)
    if wait > 0:
        raise Refused("too-often", retry_after=wait)
