"""A closed loop of clients on kept connections, and what they saw."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import time
from typing import Any

from media import photograph


class Line:
    """One kept connection; `ask` gives seconds to the first and to the last byte of the reply."""

    def __init__(self, port: int, path: str, body: bytes, key: str) -> None:
        self.port = port
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.request = head.encode() + body
        self.pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> tuple[float, float]:
        if self.pair is None:
            self.pair = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        reader, writer = self.pair
        began = time.perf_counter()
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{head!r} {await reader.read(500)!r}")
        first = None
        if b"transfer-encoding: chunked" in head:
            while (size := int(await reader.readline(), 16)) > 0:
                await reader.readexactly(size + 2)
                first = first or time.perf_counter() - began
            await reader.readline()
        else:
            (said,) = [x for x in head.split(b"\r\n") if x.startswith(b"content-length:")]
            await reader.readexactly(int(said.split(b":")[1]))
        last = time.perf_counter() - began
        if b"connection: close" in head:
            writer.close()
            self.pair = None
        return first or last, last


async def load(port: int, path: str, body: bytes, clients: int, count: int, key: str) -> Any:
    """`count` requests by a closed loop of clients: latencies, and requests a second."""
    left = iter(range(count))
    times: list[tuple[float, float]] = []

    async def client() -> None:
        line = Line(port, path, body, key)
        await line.ask()
        for _ in left:
            one = await line.ask()
            times.append(one)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - began
    return times, (count + clients) / seconds


def measured(
    port: int, path: str, body: bytes, clients: int, count: int, key: str
) -> dict[str, float]:
    times, rate = asyncio.run(load(port, path, body, clients, count, key))
    whole, first = sorted(t for _, t in times), sorted(t for t, _ in times)
    return {
        "p50": statistics.median(whole) * 1e3,
        "p99": whole[min(len(whole) - 1, int(len(whole) * 0.99))] * 1e3,
        "first_p50": statistics.median(first) * 1e3,
        "per_second": rate,
    }


def body(stream: bool) -> bytes:
    url = f"data:image/jpeg;base64,{base64.b64encode(photograph(512, 512)).decode()}"
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    asked: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": content}]}
    return json.dumps({**asked, **({"stream": True} if stream else {})}).encode()
