"""Ports to listen on: one process's own, or one that several of our processes share."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from sallet.core.errors import UsageError


def address(listener: socket.socket) -> str:
    """Where clients ask, as a URL."""
    where, at = listener.getsockname()[:2]
    shown = f"[{where}]" if ":" in where else where
    return f"http://{shown}:{at}/v1"


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; a `shared` port is one that several of our own processes listen on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _said(host, port):
        return socket.create_server((host, port), family=family, backlog=2048, reuse_port=shared)


def held(host: str, port: int) -> socket.socket:
    """A port that nobody else listens on, held for processes that share it; it takes nobody in."""
    bound(host, port).close()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    with _said(host, port):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((host, port))
    return one


@contextlib.contextmanager
def _said(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        what = said.partition(" (while")[0].rstrip(".")  # the address is in our own words
        raise UsageError(f"cannot listen on {host}:{port}: {what}; choose another --port") from None
