"""A real server on loopback that fails in the ways real endpoints do, and what to ask of it."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import uvicorn
from PIL import Image as Pil
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sallet.core.errors import RemoteError
from sallet.core.image import Image
from sallet.core.query import Answer, Failure, Query
from sallet.models.remote import RemoteModel
from tests.core.toys import Toy

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


@dataclass
class Behind:
    """A toy behind the server, that shows log-probabilities, ignores the wish, or refuses it."""

    toy: Toy
    logprobs: Literal["shown", "ignored", "refused"] = "shown"
    served: int = 0
    refused: int = 0

    def reply(self, body: dict[str, Any]) -> Reply:
        if body.get("logprobs") and self.logprobs == "refused":
            self.refused += 1
            return Reply(b'{"error": {"message": "logprobs are not supported"}}', 400)
        self.served += 1
        query = Query.ask(*(_part(part) for part in body["messages"][-1]["content"]))
        (answer,) = self.toy.answer([query])
        assert isinstance(answer, Answer)
        choice: dict[str, Any] = {"message": {"content": answer.text}, "finish_reason": "stop"}
        if body.get("logprobs") and self.logprobs == "shown":
            likely = self.toy.likely(query)
            choice["logprobs"] = {"content": _tokens(answer.text, likely, body["top_logprobs"])}
        return Reply(json.dumps({"choices": [choice]}).encode())


def _part(part: dict[str, Any]) -> str | Image:
    if part["type"] == "text":
        return part["text"]
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return Image(np.asarray(Pil.open(io.BytesIO(data)).convert("RGB")))


def _tokens(text: str, likely: dict[str, float], most: int) -> list[dict[str, Any]]:
    """A token a word; what follows the first word is certain, as a toy has nothing else to say."""
    first, *rest = text.split(" ")
    ranked = sorted(likely.items(), key=lambda one: -one[1])[:most]
    top = [{"token": one.split(" ")[0], "logprob": logp} for one, logp in ranked]
    tokens: list[dict[str, Any]] = [
        {"token": first, "logprob": likely[text], "top_logprobs": top},
    ]
    for word in rest:
        sure = {"token": f" {word}", "logprob": 0.0, "bytes": list(f" {word}".encode())}
        tokens.append({**sure, "top_logprobs": [sure]})
    return tokens


class Server:
    """Replies to each question from its own list, whose last entry is for ever.

    With a toy `behind` it, that is who replies.
    """

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
        self.behind: Behind | None = None

    async def chat(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if self.behind is not None:
            reply = self.behind.reply(body)
            return Response(reply.body, reply.status, reply.headers, "application/json")
        text = body["messages"][-1]["content"]
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
def running(made: Server | None = None) -> Iterator[Server]:
    """The server in a thread of its own, on a port that was free."""
    made = made or Server()
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
