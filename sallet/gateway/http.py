"""uvicorn's fast HTTP protocol with what it lacks: a bound on heads, in bytes and in time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD: Final = 64 * 1024  # bytes of a request's line and headers, and of trailers
PATIENCE: Final = 20.0  # seconds for a head to arrive, from the connection or from its first byte


class Bounded(HttpToolsProtocol):
    """Ends a connection whose head is too long or too slow."""

    _came = 0  # bytes while a head is not whole; several heads may come in one piece
    _named = 0  # bytes of names and values; trailers come when no head is awaited
    _within = True
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._within:
            self._came += len(data)
            if self._came > HEAD:
                self._end()

    def on_message_begin(self) -> None:
        self._came, self._named, self._within = 0, 0, True
        self._wait()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._named += len(name) + len(value)
        if self._named > HEAD:
            raise ValueError("the head is too long")  # uvicorn answers 400 and hangs up
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._within = False
        self._arrived()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._arrived()
        self._clock = self.loop.call_later(PATIENCE, self._end)

    def _arrived(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def config(app: Any, **more: Any) -> uvicorn.Config:
    """How the gateway is served."""
    own: dict[str, Any] = {
        "http": Bounded,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "log_level": "warning",
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": 10,
        "backlog": 2048,
    }
    return uvicorn.Config(app, **{**own, **more})
