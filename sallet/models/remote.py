"""`RemoteModel`: any endpoint that speaks OpenAI's chat format, as a `Model`.

Proxies: settings of the environment (`HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`) hold for hosts
elsewhere, as a firewall may demand; this machine's own addresses are always reached directly,
because a proxy cannot know them and would be shown the queries. Redirects are not followed: the
key goes to the host that was named and to no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import TypeVar

import httpx

from sallet.core.errors import RemoteError, UsageError
from sallet.core.goal import Goal
from sallet.core.protocols import Heard
from sallet.core.query import Answer, Failure, Query
from sallet.models import wire
from sallet.models.endpoint import Endpoint, hint, shown
from sallet.models.logprobs import followed
from sallet.models.retry import Backoff, asked_wait, passing

T = TypeVar("T")
_PASSING = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)


@dataclass(frozen=True)
class _Session:
    """Connections and places for requests in flight; both belong to one event loop."""

    client: httpx.AsyncClient
    places: asyncio.Semaphore
    loop: asyncio.AbstractEventLoop


@dataclass(frozen=True)
class _Trouble:
    """Why an attempt failed, whether another may go better, and the wait that was asked for."""

    reason: str
    passing: bool = False
    asked: float | None = None


class RemoteModel:
    """Answers queries over HTTP. A query that fails costs only its own answer; order is kept.

    `timeout` bounds one attempt and `deadline` all attempts of a query with the waits between
    them, both in seconds and counted from when the query gets its place. At most
    `max_concurrency` queries have a place, one that waits to try again included. The limit holds
    within a call, and over all calls inside `async with model:`, which also keeps connections
    open between them. The key and the headers' values appear in no message and no repr.
    """

    deterministic = False

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        deadline: float = 300.0,
        retries: int = 4,
        backoff: float = 0.5,
        max_concurrency: int = 8,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
        top_logprobs: int = 20,
    ) -> None:
        """`base_url` and `api_key` default to OPENAI_BASE_URL and OPENAI_API_KEY.

        `backoff` is the wait in seconds after the first failed attempt; it doubles from there.
        `top_logprobs` is how many others `score` asks for at each token: OpenAI gives 20, others
        fewer; 0 asks for no log-probabilities.
        """
        if timeout <= 0 or deadline <= 0 or max_concurrency < 1 or retries < 0 or backoff < 0:
            raise UsageError(
                "timeout, deadline and max_concurrency must be above 0, retries and backoff at "
                f"least 0; got {timeout}, {deadline}, {max_concurrency}, {retries}, {backoff}"
            )
        self.model, self.name = model, name or model
        self.timeout, self.deadline, self.max_concurrency = timeout, deadline, max_concurrency
        key = api_key if api_key is not None else os.environ.get("OPENAI_API_KEY", "")
        where = base_url if base_url is not None else os.environ.get("OPENAI_BASE_URL")
        self.endpoint = Endpoint.of(where, key, headers or {})
        self.top_logprobs = top_logprobs
        self._backoff, self._random = Backoff(retries, backoff), random.Random()
        self._open: list[tuple[_Session, AbstractAsyncContextManager[_Session]]] = []

    def __repr__(self) -> str:
        return f"RemoteModel({self.model!r}, base_url={self.endpoint!r})"

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """`aanswer`, waited for; inside a running event loop it blocks that loop meanwhile."""
        return _wait(self.aanswer(queries))

    async def aanswer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """One answer or failure for each query, in order."""
        async with self._session() as session:
            return list(await asyncio.gather(*(self._answer(session, query) for query in queries)))

    def score(self, queries: Sequence[Query], goals: Sequence[Goal]) -> list[Heard]:
        """One request each: its answer, and how likely the goal's text was as far as it shows.

        There is no score where the endpoint shows no log-probabilities; one that refuses the
        request for their sake gives a failure.
        """
        wish = {"logprobs": True, "top_logprobs": self.top_logprobs} if self.top_logprobs else {}
        answers = self.answer([replace(q, extra={**wish, **q.extra}) for q in queries])
        return [
            Heard(followed(a.raw, g.text) if isinstance(a, Answer) else None, answer=a)
            for a, g in zip(answers, goals, strict=True)
        ]

    def models(self) -> list[str]:
        """The names that the endpoint lists; raises `RemoteError` where it gives no list."""
        return _wait(self.amodels())

    async def amodels(self) -> list[str]:
        """As `models`, for use inside an event loop."""
        async with self._session() as session:
            async with session.places:
                came = await self._ask(session, "GET", "models")
            return self._read(came, wire.names)

    async def __aenter__(self) -> RemoteModel:
        manager = self._fresh()
        self._open.append((await manager.__aenter__(), manager))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        here = asyncio.get_running_loop()
        i = next(i for i, (session, _) in enumerate(self._open) if session.loop is here)
        _, manager = self._open.pop(i)
        await manager.__aexit__(kind, error, at)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[_Session]:
        """The session that `async with` opened on this very event loop, or one for this call."""
        loop = asyncio.get_running_loop()
        kept = next((session for session, _ in self._open if session.loop is loop), None)
        if kept is not None:
            yield kept
            return
        async with self._fresh() as session:
            yield session

    @asynccontextmanager
    async def _fresh(self) -> AsyncIterator[_Session]:
        async with httpx.AsyncClient(
            headers=self.endpoint.headers,
            timeout=None,  # each attempt is bounded as a whole, which no read time-out does
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            trust_env=not self.endpoint.is_here,
            verify=self._tls,
        ) as client:
            places = asyncio.Semaphore(self.max_concurrency)
            yield _Session(client, places, asyncio.get_running_loop())

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()  # slow to make, so made once

    async def _answer(self, session: _Session, query: Query) -> Answer | Failure:
        try:
            async with session.places:  # before the images are encoded: bodies are large
                body = await asyncio.to_thread(wire.body, query, self.model)
                came = await self._ask(session, "POST", "chat/completions", body)
            return self._read(came, wire.answer)
        except Exception as error:
            return Failure(error)

    async def _ask(
        self, session: _Session, method: str, path: str, body: bytes | None = None
    ) -> bytes:
        """The body of the first successful reply; raises `RemoteError` with the last trouble."""
        request = session.client.build_request(method, self.endpoint.to(path), content=body)
        loop = asyncio.get_running_loop()
        end, failed = loop.time() + self.deadline, 0
        while True:
            came = await self._attempt(session, request, min(self.timeout, end - loop.time()))
            if isinstance(came, bytes):
                return came
            failed += 1
            chance = self._random.random()
            wait = self._backoff.wait(failed, asked=came.asked, chance=chance)
            if not came.passing or wait is None:
                raise self._gave_up(path, came, failed)
            if loop.time() + wait >= end:
                late = f"; the next attempt would be past the deadline of {self.deadline:.3g} s"
                raise self._gave_up(path, came, failed, late)
            await asyncio.sleep(wait)

    async def _attempt(
        self, session: _Session, request: httpx.Request, seconds: float
    ) -> bytes | _Trouble:
        try:
            async with asyncio.timeout(seconds):
                reply = await session.client.send(request)
        except TimeoutError:
            return _Trouble(f"gave no complete reply within {seconds:.3g} s", passing=True)
        except httpx.ConnectError as error:
            return _Trouble(
                f"cannot be connected to ({self._line(str(error))}): start the server, or correct "
                "base_url (OPENAI_BASE_URL)",
                passing=True,
            )
        except httpx.HTTPError as error:
            said = self._line(str(error)) or type(error).__name__
            return _Trouble(f"broke off ({said})", passing=isinstance(error, _PASSING))
        if reply.is_success:
            return reply.content
        status, said = reply.status_code, self._line(reply.text)
        asked = asked_wait(reply.headers.get("retry-after"), datetime.now(UTC))
        reason = f"answered {status}{hint(status)}" + (f": {said}" if said else "")
        return _Trouble(reason, passing(status), asked)

    def _gave_up(self, path: str, trouble: _Trouble, failed: int, late: str = "") -> RemoteError:
        times = f" (attempt {failed}, the last)" if failed > 1 else ""
        return RemoteError(f"{shown(self.endpoint.to(path))} {trouble.reason}{times}{late}")

    def _read(self, body: bytes, parse: Callable[[object], T]) -> T:
        """What `parse` makes of the JSON; its errors get an excerpt of what came."""
        try:
            reply = json.loads(body)
        except (ValueError, RecursionError):
            why = "the reply is not JSON"
        else:
            try:
                return parse(reply)
            except RemoteError as error:
                why = str(error)
        came = self._line(body.decode(errors="replace")) or "an empty body"
        raise RemoteError(f"{self.endpoint!r}: {why}; it sent: {came}")

    def _line(self, text: str) -> str:
        return wire.excerpt(self.endpoint.clean(text))


def _wait(job: Coroutine[object, object, T]) -> T:
    """Runs `job` to its end here, or in a thread where an event loop is already running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(job)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, job).result()
