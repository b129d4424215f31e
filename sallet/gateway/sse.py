"""Server-sent events, both ways. No I/O."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final

import orjson

from sallet.gateway.refusals import Refused

DONE: Final = b"[DONE]"
MOST: Final = 8 * 2**20  # bytes of one event


class Events:
    """Bytes as they come, to the data of whole events."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, more: bytes) -> Iterator[bytes]:
        """The data of every event that these bytes finish."""
        self._rest += more
        *lines, self._rest = self._rest.replace(b"\r\n", b"\n").split(b"\n")
        if len(self._rest) + sum(map(len, self._data)) > MOST:
            raise Refused("upstream-broken")
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line and self._data:
                yield b"\n".join(self._data)
                self._data = []
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))


async def chunks(coming: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any]]:
    """The objects of a stream of our own, without its end mark."""
    parser = Events()
    async for more in coming:
        for data in parser.feed(more):
            if data != DONE:
                yield orjson.loads(data)


def event(data: bytes | dict[str, Any]) -> bytes:
    """One event with this data."""
    if isinstance(data, dict):
        data = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return b"data: " + data + b"\n\n"


def typed(type: str, **more: Any) -> bytes:
    """One event of a type, which stands before its data and in it."""
    data = orjson.dumps({"type": type, **more})
    return b"event: " + type.encode() + b"\ndata: " + data + b"\n\n"
