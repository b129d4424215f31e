"""One request on its way: admitted, guarded, forwarded; or answered by its defence."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from sallet.core.errors import RemoteError
from sallet.core.query import Answer, Query, Usage
from sallet.gateway import chat, received, replies
from sallet.gateway.admit import materialised
from sallet.gateway.chat import Asked
from sallet.gateway.gate import Gate, Rules
from sallet.gateway.live import Live, guarded, together
from sallet.gateway.policy import Route
from sallet.gateway.refusals import Refused
from sallet.gateway.release import Release, release
from sallet.gateway.sse import DONE, event
from sallet.gateway.trail import AT, Trail, Verdict, compared, described
from sallet.gateway.upstream import Server
from sallet.models import wire

PACK_FROM = 2**20  # pixels; a smaller image is sent faster than it is packed


@dataclass(frozen=True)
class Forwarded:
    """A query as it leaves, and what of it is noted."""

    fields: dict[str, Any]
    parts: list[dict[str, Any]]

    def body(self, **more: object) -> bytes:
        """The JSON that the model server gets."""
        return orjson.dumps({**self.fields, **more}, default=dict)


@dataclass(frozen=True)
class Ahead:
    """What the guard left to do: a query to forward, or answers that are there."""

    query: Query | Forwarded | None
    answers: tuple[Answer, ...] = ()
    release: Release | None = None  # who lets the answer out, sentence by sentence


class Exchange:
    """One request to one model, under the rules that held when it came."""

    def __init__(
        self, gate: Gate, rules: Rules, asked: Asked, trail: Trail, client: str | None
    ) -> None:
        self.gate, self.rules, self.asked, self.trail = gate, rules, asked, trail
        route = rules.policy.route(asked.model, client)
        if route is None:
            raise Refused("unknown-model")
        self.route: Route = route
        self.server: Server = rules.servers[route.name]
        trail.upstream, trail.stack = route.name, route.stack
        trail.stack_digest = rules.stacks[route.stack].digest
        trail.model, trail.stream = asked.model, asked.settings.stream
        trail.choices, trail.stripped = asked.settings.choices, asked.settings.stripped
        AT.set(trail)

    async def ahead(self) -> Ahead:
        """The request admitted and guarded, within the deadline."""
        entrance = self.rules.entrances[self.route.name]
        if self.rules.policy.images.as_sent:
            words = entrance.as_sent(self.asked, self.trail)
            self.trail.verdict = "unguarded"
            return Ahead(Forwarded(chat.fields(words), self.trail.parts_in))
        query = await entrance.admit(self.asked, self.trail)
        if self.gate.audit.keeps:
            kept = await self._forward(query)
            await asyncio.to_thread(self.gate.audit.keep, self.trail.id, kept.body())
        enforced = self.rules.policy.mode == "enforce" and self._selected()
        way = self._release(query) if enforced else None
        try:
            result = await (way.begin() if way else self._guard(query))
        except Refused as refused:
            if enforced or refused.code in ("audit-failed", "closing"):
                raise
            result = await self._failed(query, refused, enforced)
        except Exception as error:
            result = await self._failed(query, error, enforced)
        if not enforced and self.trail.verdict is None:
            self.trail.would = self._verdict(result, await self._parts(result))
            self.trail.verdict = "observed"
            return Ahead(query)
        if isinstance(result, Query):
            return Ahead(result, release=way if self.trail.verdict is None else None)
        return Ahead(None, await self._choices(query, result, enforced))

    async def made(self, query: Query) -> Query:
        """The query with every view of every image made."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.gate.pixels, materialised, query)

    async def noted(self, ahead: Ahead) -> None:
        """Notes what would leave, and sends nothing."""
        if ahead.query is not None:
            await self._leaving(ahead.query)

    async def whole(self, ahead: Ahead) -> bytes:
        """The reply in one piece."""
        if ahead.query is None:
            answers = ahead.answers
            made = replies.completion(self.trail.id, self.asked.model, answers, self.trail.usage)
            return orjson.dumps(made, default=dict)
        forwarded = await self._leaving(ahead.query)
        choices = self.asked.settings.choices
        body = forwarded.body(**({"n": choices} if choices > 1 else {}))
        with self.trail.stage("upstream"):
            reply = await self._sent(body)
        self.trail.used(wire.tokens(reply.get("usage")))
        return orjson.dumps(reply)

    async def events(self, ahead: Ahead) -> AsyncGenerator[bytes]:
        """The reply as it comes, event by event; an error on the way is the last of them."""
        settings = self.asked.settings
        if ahead.query is None:
            usage = self.trail.usage if settings.usage else None
            for one in replies.chunks(self.trail.id, self.asked.model, ahead.answers, usage):
                yield event(one)
            yield event(DONE)
            return
        inner = self._streamed(ahead.query)
        if ahead.release is not None:
            usage = settings.usage
            inner = ahead.release.events(inner, self.trail.id, self.asked.model, usage=usage)
        async with aclosing(inner):
            async for data in inner:
                yield event(data)
        yield event(DONE)

    async def _streamed(self, query: Query | Forwarded) -> AsyncGenerator[bytes]:
        """The model server's own events, without the last; a stream that is cut is an error."""
        settings = self.asked.settings
        forwarded = await self._leaving(query)
        more: dict[str, Any] = {"stream": True}
        if settings.choices > 1:
            more["n"] = settings.choices
        if settings.usage:
            more["stream_options"] = {"include_usage": True}
        open_choices = set(range(settings.choices))
        took = Usage()
        with self.trail.stage("upstream"), self._failures_counted():
            body = forwarded.body(**more)
            async with self.server.stream(body) as coming, aclosing(coming):
                try:
                    async for data in coming:
                        if data == DONE:
                            return
                        chunk = received.chunk(data)
                        open_choices -= chunk.ended
                        took = chunk.usage or took
                        yield data
                finally:
                    self.trail.used(took)
            if open_choices:
                raise Refused("upstream-broken")

    def _release(self, query: Query) -> Release | None:
        """How the answer could leave a sentence at a time; only words can, and one answer."""
        settings = self.asked.settings
        if not settings.stream or settings.choices > 1 or settings.extra.get("tools"):
            return None
        live = Live(self._asked, self.gate.batches)
        return release(self.rules.stacks[self.route.stack].defense, query, live, self.trail)

    async def _guard(self, query: Query) -> Query | Answer:
        live = Live(self._asked, self.gate.batches)
        return await guarded(self.rules.defenses[self.route.stack], query, live)

    async def _failed(self, query: Query, error: Exception, enforced: bool) -> Query:
        """What becomes of a request whose guard failed: refused, unless the policy says pass."""
        self.trail.error = type(error).__name__
        if not enforced:
            self.trail.verdict, self.trail.would = "observed", "failed"
            return query
        if self.rules.policy.on_error == "pass":
            self.trail.verdict = "unguarded"
            return query
        raise Refused("guard-failed") from None

    async def _choices(self, query: Query, first: Answer, enforced: bool) -> tuple[Answer, ...]:
        """As many answers as were asked for; each further one is guarded with its own seed."""
        count = self.asked.settings.choices
        self.trail.verdict = self._verdict(first, [])
        self.trail.refused_by = first.refused_by
        if self.trail.verdict == "refused":
            return (first,) * count
        others = await together(*(self._another(query.fork(i)) for i in range(1, count)))
        return (first, *others)

    async def _another(self, query: Query) -> Answer:
        result = await self._guard(query)
        return result if isinstance(result, Answer) else await self._asked(result)

    async def _asked(self, query: Query) -> Answer:
        """The model's own answer to one question of a defence."""
        forwarded = await self._forward(query)
        reply = await self._sent(forwarded.body())
        try:
            answer = wire.answer(reply)
        except RemoteError:
            raise Refused("upstream-broken") from None
        self.trail.used(answer.usage)
        self.trail.parts_out += forwarded.parts
        return answer

    async def _sent(self, body: bytes) -> dict[str, Any]:
        with self._failures_counted():
            return await self.server.complete(body)

    @contextmanager
    def _failures_counted(self) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            self.gate.gauges.upstream.labels(self.server.name, refused.code).inc()
            raise

    async def _leaving(self, query: Query | Forwarded) -> Forwarded:
        """The query as it leaves; its parts are noted, and with them the verdict."""
        if isinstance(query, Forwarded):
            self.trail.parts_out += query.parts
            return query
        with self.trail.stage("encode"):
            forwarded = await self._forward(query)
        self.trail.parts_out += forwarded.parts
        if self.trail.verdict is None:
            self.trail.verdict = self._verdict(query, forwarded.parts)
        return forwarded

    async def _forward(self, query: Query) -> Forwarded:
        model = self.asked.model

        def ready() -> Forwarded:
            made = materialised(query)
            pack = any(h * w >= PACK_FROM for h, w in (image.size for image in made.images))
            return Forwarded(wire.fields(made, model, pack=pack), described(made))

        return await asyncio.get_running_loop().run_in_executor(self.gate.pixels, ready)

    async def _parts(self, result: Query | Answer) -> list[dict[str, Any]]:
        return (await self._forward(result)).parts if isinstance(result, Query) else []

    def _verdict(self, result: Query | Answer, parts: list[dict[str, Any]]) -> Verdict:
        if isinstance(result, Query):
            return compared(self.trail.parts_in, parts)
        by = result.refused_by
        return "refused" if by is not None and by != "model" else "answered"

    def _selected(self) -> bool:
        """Whether this request is in the roll-out: a client is in or out, others by the dice."""
        share = self.rules.policy.rollout
        if share >= 100:
            return True
        who = self.trail.client
        if who is None:
            return secrets.randbelow(10_000) < share * 100
        place = int.from_bytes(hashlib.sha256(who.encode()).digest()[:4], "big") % 10_000
        return place < share * 100
