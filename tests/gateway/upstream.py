"""A model server on loopback that says what it was told to, and remembers what it got."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sallet.core.image import Image
from sallet.gateway import http
from sallet.media.canonical import canonical

Manner = Literal[
    "fine", "hang", "cut", "garbage", "empty", "error", "no-done", "bad-chunk", "tools"
]


def reply(text: str, n: int = 1, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": text, **message}
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1,
        "model": "toy",
        "choices": [{"index": i, "message": said, "finish_reason": "stop"} for i in range(n)],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }


@dataclass
class Model:
    """Answers `manner`-ly; `bodies` are the requests as they came."""

    url: str = ""
    manner: Manner = "fine"
    status: int = 400
    says: str = "a cat"
    finds: str | None = None  # an answer with this in it is harmful, says its review
    pause: float = 0.0
    blind: bool = False
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    cancelled: int = 0
    streams: int = 0
    ended: int = 0

    def images(self, index: int = -1) -> list[Image]:
        """The images of a request, in order."""
        found: list[Image] = []
        for message in self.bodies[index]["messages"]:
            content = message["content"]
            for part in content if isinstance(content, list) else []:
                if part["type"] == "image_url":
                    head, _, data = part["image_url"]["url"].partition(",")
                    assert head == "data:image/png;base64"
                    found.append(canonical(base64.b64decode(data)).image)
        return found

    async def chat(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        if self.pause:
            await asyncio.sleep(self.pause)
        if self.blind and self.images():
            return Response(b'{"error": {"message": "no image support"}}', 400)
        match self.manner:
            case "hang":
                async with asyncio.timeout(60):
                    while (await request.receive())["type"] != "http.disconnect":
                        pass
                self.cancelled += 1
            case "garbage":
                return Response(b"<html>secret</html>", media_type="text/html")
            case "empty":
                return Response(b'{"choices": []}')
            case "error":
                return Response(b'{"error": {"message": "secret"}}', self.status)
            case _:
                pass
        asked = json.dumps(body["messages"][-1]["content"])
        if self.finds is not None and "safe or harmful" in asked:
            return Response(json.dumps(reply("harmful." if self.finds in asked else "safe.")))
        if body.get("stream"):
            return StreamingResponse(self.counted(body), media_type="text/event-stream")
        if self.manner == "cut":
            return Response(b'{"choices"', headers={"content-length": "9999"})
        calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
        more = {"tool_calls": calls, "content": None} if self.manner == "tools" else {}
        return Response(json.dumps(reply(self.says, body.get("n", 1), **more)))

    async def counted(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        self.streams += 1
        try:
            async for piece in self.stream(body):
                yield piece
        finally:
            self.ended += 1

    async def stream(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        def chunk(i: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": i, "delta": delta, "finish_reason": finish}
            made = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "toy"}
            return f"data: {json.dumps({**made, 'choices': [choice]})}\n\n".encode()

        for i in range(body.get("n", 1)):
            yield chunk(i, {"role": "assistant", "content": ""})
            for word in self.says.split(" "):
                yield chunk(i, {"content": f"{word} "})
                await asyncio.sleep(self.pause)
            if self.manner == "cut":
                raise RuntimeError("cut off")
            if self.manner == "bad-chunk":
                yield b"data: {secret\n\n"
            yield chunk(i, {}, "stop")
        if body.get("stream_options", {}).get("include_usage"):
            usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
            yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode()
        if self.manner != "no-done":
            yield b"data: [DONE]\n\n"

    async def models(self, request: Request) -> Response:
        return Response(b'{"object": "list", "data": [{"id": "toy"}, {"id": "other"}]}')

    async def anything(self, request: Request) -> Response:
        self.paths.append(request.url.path)
        return Response(b"side path")


@contextmanager
def serving(app: Any, *, lifespan: Any = "off", **more: Any) -> Iterator[str]:
    """An application on a port that was free, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = http.config(app, lifespan=lifespan, log_level="critical", **more)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(15)
        listener.close()
    assert not thread.is_alive()


@contextmanager
def modelled(made: Model | None = None) -> Iterator[Model]:
    made = made or Model()
    routes = [
        Route("/v1/chat/completions", made.chat, methods=["POST"]),
        Route("/v1/models", made.models),
        Route("/{rest:path}", made.anything, methods=["GET", "POST"]),
    ]
    with serving(Starlette(routes=routes)) as url:
        made.url = f"{url}/v1"
        yield made
