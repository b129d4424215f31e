"""The endpoints that ask a model: every one of them ends in a record, and then in a reply."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from sallet.gateway import chat, door, replies
from sallet.gateway.chat import Asked
from sallet.gateway.exchange import Exchange
from sallet.gateway.gate import Gate, Rules
from sallet.gateway.refusals import REASONS, Refused
from sallet.gateway.sse import DONE, event
from sallet.gateway.trail import Trail, Verdict

_JSON = "application/json"
_EVENTS = "text/event-stream"
_END = event(DONE)
_ENDS = (b"event: response.completed", b"event: response.incomplete", b"event: message_stop")


@dataclass(frozen=True)
class Dialect:
    """How an endpoint's requests are read and its replies are written.

    Every endpoint is a chat completion inside; `whole` and `events` put the reply in its own form.
    """

    read: Callable[[dict[str, Any], Rules], Asked]
    whole: Callable[[bytes, Asked, str], bytes] = lambda data, asked, id: data
    events: Callable[[AsyncIterator[bytes], Asked, str], AsyncGenerator[bytes]] | None = None
    error: Callable[[Refused], dict[str, Any]] = replies.error
    failed: Callable[[Refused], bytes] = lambda refused: event(replies.error(refused))


def _chat(body: dict[str, Any], rules: Rules) -> Asked:
    return chat.read(body, rules.policy.limits.chat)


CHAT = Dialect(_chat)


class Endpoint:
    """One path that asks a model, as an ASGI application."""

    def __init__(self, gate: Gate, dialect: Dialect = CHAT) -> None:
        self.gate, self.dialect = gate, dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate, rules = self.gate, self.gate.rules
        trail = Trail(scope["path"], policy=rules.policy.source)
        talk = Talk(gate, trail, send, self.dialect)
        gate.flying += 1
        try:
            await self._served(Request(scope, receive), rules, talk)
        except Refused as refused:
            await talk.refuse(refused)
        except asyncio.CancelledError:
            await talk.refuse(Refused("closing"))
            raise
        except Exception as error:
            trail.error = type(error).__name__
            await talk.refuse(Refused("internal"))
        finally:
            gate.flying -= 1
            gate.held -= trail.held
            talk.count()

    async def _served(self, request: Request, rules: Rules, talk: Talk) -> None:
        gate, trail = self.gate, talk.trail
        if not gate.ready:
            raise Refused("closing", retry_after=1)
        trail.client = door.client_of(rules, request)
        if gate.flying > rules.policy.limits.in_flight:
            raise Refused("busy", retry_after=1)
        await door.counted(gate, rules, trail.client)
        await gate.audit.works()
        data = await door.body(request, gate, rules, trail)
        await door.while_there(self._answered(data, rules, talk), request.receive)

    async def _answered(self, data: bytes, rules: Rules, talk: Talk) -> None:
        trail = talk.trail
        asked = self.dialect.read(chat.loads(data), rules)
        exchange = Exchange(self.gate, rules, asked, trail, trail.client)
        deadline = rules.policy.limits.deadline
        try:
            async with asyncio.timeout(deadline) as limit:
                ahead = await exchange.ahead()
                if not asked.settings.stream:
                    reply = await exchange.whole(ahead)
                    limit.reschedule(None)
                    await talk.whole(self.dialect.whole(reply, asked, trail.id))
                    return
                async with aclosing(exchange.events(ahead)) as inner:
                    told = inner
                    if self.dialect.events is not None:
                        told = self.dialect.events(inner, asked, trail.id)
                    async with aclosing(told):
                        first = await anext(told, None)
                        limit.reschedule(None)
                        await talk.stream(first, told)
        except TimeoutError:
            raise Refused("deadline") from None


class Talk:
    """The reply to one request: recorded, then sent; what was begun is ended."""

    def __init__(self, gate: Gate, trail: Trail, send: Send, dialect: Dialect) -> None:
        self.gate, self.trail, self.send, self.dialect = gate, trail, send, dialect
        self._begun = self._ended = False

    async def whole(self, data: bytes) -> None:
        """A reply in one piece."""
        self.trail.status = 200
        await self.gate.audit.write(self.trail.record())
        await self._send(200, data)

    async def stream(self, first: bytes | None, rest: AsyncIterator[bytes]) -> None:
        """A reply event by event; its record stands before the first, and another at its end."""
        self.trail.status = 200
        await self.gate.audit.write(self.trail.record())
        self._begun = True
        await self._out(self._head(200, _EVENTS, [(b"cache-control", b"no-store")]))
        self.gate.gauges.first.observe(time.monotonic() - self.trail.began)
        if first is not None:
            await self._piece(first)
        noted = False
        async for one in rest:
            if one == _END or one.startswith(_ENDS):  # a client reads no further
                await self.gate.audit.write(self.trail.record("end"))
                noted = True
            await self._piece(one)
        if not noted:
            await self.gate.audit.write(self.trail.record("end"))
        await self._piece(b"", more=False)
        self._ended = True

    async def refuse(self, refused: Refused) -> None:
        """An error: as the reply, or as the last event of a stream."""
        trail = self.trail
        if self._ended:
            return
        trail.code, trail.verdict = refused.code, _verdict(refused)
        trail.status = trail.status if self._begun else refused.status
        try:
            await self.gate.audit.write(trail.record("end" if self._begun else "request"))
        except Refused as failed:
            self.gate.gauges.failed_records.inc()
            refused = failed
        except asyncio.CancelledError:
            pass
        trail.status = trail.status if self._begun else refused.status
        self._ended = True
        if refused.code == "left":
            return
        with suppress(Refused):  # it leaves now
            if self._begun:
                await self._piece(self.dialect.failed(refused), more=False)
            else:
                told = json.dumps(self.dialect.error(refused)).encode()
                await self._send(refused.status, told, _waits(refused))

    def count(self) -> None:
        """Adds the request to what Prometheus reads."""
        trail, gauges = self.trail, self.gate.gauges
        gauges.requests.labels(trail.path, trail.status or 0).inc()
        gauges.verdicts.labels(trail.verdict or "failed", trail.stack or "none").inc()
        if trail.code is not None:
            gauges.refusals.labels(trail.code).inc()
        gauges.seconds.labels(trail.path).observe(time.monotonic() - trail.began)
        for stage in trail.stages:
            gauges.stages.labels(stage["stage"]).observe(stage["ms"] / 1e3)
        self.gate.traces.request(trail)
        if self.gate.recent is not None:
            self.gate.recent.add(trail.record())

    async def _piece(self, data: bytes, *, more: bool = True) -> None:
        await self._out({"type": "http.response.body", "body": data, "more_body": more})

    async def _out(self, message: Message) -> None:
        """Sends; a client that takes nothing for as long as a request may last has left."""
        try:
            async with asyncio.timeout(self.gate.rules.policy.limits.deadline):
                await self.send(message)
        except TimeoutError:
            raise Refused("left") from None

    async def _send(
        self, status: int, data: bytes, more: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        length = [(b"content-length", str(len(data)).encode())]
        await self._out(self._head(status, _JSON, [*length, *(more or [])]))
        await self._piece(data, more=False)
        self._ended = True

    def _head(self, status: int, kind: str, more: list[tuple[bytes, bytes]]) -> Message:
        own = [
            (b"content-type", kind.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-sallet-request-id", self.trail.id.encode()),
            (b"x-sallet-verdict", (self.trail.verdict or "failed").encode()),
        ]
        return {"type": "http.response.start", "status": status, "headers": [*own, *more]}


def _verdict(refused: Refused) -> Verdict:
    if refused.code == "left":
        return "left"
    upstream = refused.code.startswith("upstream-") and refused.code != "upstream-rejected"
    return "failed" if upstream or REASONS[refused.code].status >= 500 else "rejected"


def _waits(refused: Refused) -> list[tuple[bytes, bytes]]:
    if refused.retry_after is None:
        return []
    return [(b"retry-after", str(max(1, math.ceil(refused.retry_after))).encode())]
