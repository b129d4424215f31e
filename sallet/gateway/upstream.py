"""A model server: asked in one piece or streamed, with every way of failing given its reason."""

from __future__ import annotations

import asyncio
import itertools
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import httpx
import orjson

from sallet.core.errors import UsageError
from sallet.gateway import received
from sallet.gateway.policy import Upstream
from sallet.gateway.refusals import Refused
from sallet.gateway.sse import DONE, Events
from sallet.models.endpoint import Endpoint
from sallet.models.retry import asked_wait

MOST: Final = 64 * 2**20  # bytes of one reply
KEEP: Final = 3.0  # seconds; servers close what is idle for longer


class Connections:
    """Connections to model servers, in pools that are used in turn: one large pool is slow.

    Nothing of the environment has a word in where they go.
    """

    def __init__(self, pools: int = 8) -> None:
        self._pools = [_pool() for _ in range(pools)]
        self._turn = itertools.cycle(self._pools)

    @property
    def next(self) -> httpx.AsyncClient:
        """The pool whose turn it is."""
        return next(self._turn)

    async def aclose(self) -> None:
        """Closes all of them."""
        for pool in self._pools:
            await pool.aclose()

    async def __aenter__(self) -> Connections:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@cache
def _tls() -> ssl.SSLContext:
    """Made once: it is slow to make."""
    return httpx.create_ssl_context(trust_env=False)


def _pool() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=None,
        verify=_tls(),
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=256, keepalive_expiry=KEEP
        ),
    )


class Server:
    """One upstream of the policy. Errors are `Refused`; the server's own words stay here."""

    def __init__(self, name: str, upstream: Upstream, http: Connections) -> None:
        key = ""
        if upstream.key_env is not None:
            key = os.environ.get(upstream.key_env, "")
            if not key:
                raise UsageError(
                    f"upstreams.{name}.key_env names {upstream.key_env}, which is not set"
                )
        self.name, self.upstream, self.http = name, upstream, http
        self.endpoint = Endpoint.of(upstream.url, key, {})

    async def complete(self, body: bytes) -> dict[str, Any]:
        """The whole reply to a chat completion request, a mapping with choices."""
        try:
            async with (
                asyncio.timeout(self.upstream.timeout),
                self._sent("POST", "chat/completions", body) as reply,
            ):
                data = await _whole(reply)
        except TimeoutError:
            raise Refused("upstream-slow") from None
        return received.completion(data)

    @asynccontextmanager
    async def stream(self, body: bytes) -> AsyncIterator[AsyncGenerator[bytes]]:
        """The data of each event of a streamed reply; ends with `[DONE]` or not at all.

        The time-out holds for the head and for each piece; what is done with a piece takes its own.
        """
        patience = self.upstream.timeout
        clock = asyncio.get_running_loop().time
        try:
            async with (
                asyncio.timeout(patience) as limit,
                self._sent("POST", "chat/completions", body) as reply,
            ):

                async def events() -> AsyncGenerator[bytes]:
                    parser = Events()
                    try:
                        async for more in reply.aiter_raw():
                            limit.reschedule(None)
                            for data in parser.feed(more):
                                yield data
                                if data == DONE:
                                    return
                            limit.reschedule(clock() + patience)
                    except httpx.HTTPError:
                        raise Refused("upstream-broken") from None

                if not reply.headers.get("content-type", "").startswith("text/event-stream"):
                    raise Refused("upstream-broken")
                yield events()
        except TimeoutError:
            raise Refused("upstream-slow") from None

    async def models(self) -> list[dict[str, Any]]:
        """What it says it serves."""
        try:
            async with (
                asyncio.timeout(min(10, self.upstream.timeout)),
                self._sent("GET", "models") as reply,
            ):
                data = orjson.loads(await _whole(reply))
        except TimeoutError:
            raise Refused("upstream-slow") from None
        except ValueError:
            raise Refused("upstream-broken") from None
        listed = data.get("data") if isinstance(data, dict) else None
        if not isinstance(listed, list):
            raise Refused("upstream-broken")
        return [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The reply's head, if it is a success."""
        reply = await self._reply(method, path, body)
        try:
            if reply.status_code != 200:
                raise _refusal(reply)
            yield reply
        finally:
            await reply.aclose()

    async def _reply(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        """Sent again, once, where a connection that was kept had just been closed."""
        headers = {**self.endpoint.headers, "accept-encoding": "identity"}
        for again in (True, False):
            http = self.http.next
            request = http.build_request(
                method,
                self.endpoint.to(path),
                content=body,
                headers=headers,
                timeout=httpx.Timeout(None, connect=self.upstream.connect),
            )
            try:
                return await http.send(request, stream=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if not again:
                    raise Refused("upstream-broken") from None
            except httpx.HTTPError:
                raise Refused("upstream-down") from None
        raise Refused("upstream-broken")


async def _whole(reply: httpx.Response) -> bytes:
    data = bytearray()
    try:
        async for more in reply.aiter_raw():
            data += more
            if len(data) > MOST:
                raise Refused("upstream-broken")
    except httpx.HTTPError:
        raise Refused("upstream-broken") from None
    return bytes(data)


def _refusal(reply: httpx.Response) -> Refused:
    status = reply.status_code
    if status in (400, 413, 415, 422):
        return Refused("upstream-rejected", answered=status)
    if status == 404:
        return Refused("unknown-model", answered=status)
    if status == 429:
        asked = asked_wait(reply.headers.get("retry-after"), datetime.now(UTC))
        return Refused("upstream-busy", retry_after=asked or 1, answered=status)
    return Refused("upstream-broken", answered=status)
