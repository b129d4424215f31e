"""A real server on loopback that fails in the ways real endpoints do, and what to ask of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sallet.core.errors import RemoteError
from sallet.core.query import Answer, Failure, Query
from sallet.models.remote import RemoteModel

KEY = "sk-very-secret-0123456789"


def said(text: str) -> bytes:
    return json.dumps(
        {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    ).encode()


@dataclass(frozen=True)
class Reply:
    """What the server sends, and after how many seconds."""

    body: bytes = said("fine")
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    after: float = 0.0


@dataclass(frozen=True)
class Arrival:
    """What reached the server, and when."""

    at: float
    text: str
    headers: dict[str, str]
    query: str


class Server:
    """Replies to each question from its own list, whose last entry is for ever."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"
        self.reset()

    def reset(self) -> None:
        self.plan: dict[str, list[Reply]] = {}
        self.arrivals: list[Arrival] = []
        self.finished: list[str] = []
        self.flying = self.most = 0
        self.connections: set[Any] = set()

    async def chat(self, request: Request) -> Response:
        text = json.loads(await request.body())["messages"][-1]["content"]
        headers, query = dict(request.headers), str(request.url.query)
        self.arrivals.append(Arrival(time.monotonic(), text, headers, query))
        self.connections.add(request.client)
        self.flying += 1
        self.most = max(self.most, self.flying)
        replies = self.plan.get(text) or [Reply(said(f"echo {text}"))]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        try:
            await asyncio.sleep(reply.after)
        finally:
            self.flying -= 1
        self.finished.append(text)
        return Response(reply.body, reply.status, reply.headers, "application/json")

    async def models(self, request: Request) -> Response:
        return Response(b'{"object": "list", "data": [{"id": "a"}, {"id": "b/c"}]}')

    async def moved(self, request: Request) -> Response:
        return RedirectResponse(f"{self.url}/chat/completions", 307)

    def waits(self, text: str) -> list[float]:
        """The seconds between the attempts of one question."""
        at = [one.at for one in self.arrivals if one.text == text]
        return [later - sooner for sooner, later in itertools.pairwise(at)]


@contextmanager
def running() -> Iterator[Server]:
    """The server in a thread of its own, on a port that was free."""
    made = Server()
    routes = [
        Route("/v1/chat/completions", made.chat, methods=["POST"]),
        Route("/v1/models", made.models),
        Route("/old/chat/completions", made.moved, methods=["POST"]),
    ]
    routed = Starlette(routes=routes)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """A client that takes this server for its proxy sends the whole URL as the path."""
        await routed({**scope, "path": urlsplit(scope["path"]).path}, receive, send)

    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [made.socket]})
    thread.start()
    try:
        yield made
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        made.socket.close()
    assert not thread.is_alive()


def model(server: Server, **settings: Any) -> RemoteModel:
    return RemoteModel("m", **{"base_url": server.url, "backoff": 0.01, **settings})


def one(model: RemoteModel, text: str = "q") -> Answer | Failure:
    (result,) = model.answer([Query.ask(text)])
    return result


def text_of(result: Answer | Failure) -> str:
    assert isinstance(result, Answer), result
    return result.text


def complaint(result: Answer | Failure) -> str:
    """The one line of a failure; the key is never in it, nor in what caused it."""
    assert isinstance(result, Failure), result
    assert isinstance(result.error, RemoteError), result.error
    line = str(result.error)
    assert len(line) < 500
    assert "\n" not in line
    assert KEY not in repr(result.error)
    assert KEY not in repr(result.error.__cause__)
    return line
