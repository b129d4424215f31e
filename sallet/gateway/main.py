"""The process: a port, what serves on it, and what is checked before anybody is served."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import Callable
from pathlib import Path

from sallet.gateway import http, traces
from sallet.gateway.app import Lifespan, application, started
from sallet.gateway.gate import Gate
from sallet.gateway.policy import Policy
from sallet.gateway.ports import address, bound
from sallet.gateway.probe import probed
from sallet.gateway.reload import watch
from sallet.gateway.said import say


def serve(
    policy: Policy,
    *,
    host: str,
    port: int,
    read: Callable[[], Policy],
    source: Path | None,
    probe: bool,
) -> int:
    """Serves until a signal; 0, or an error before anything was served."""
    with contextlib.ExitStack() as undo:
        listener = undo.enter_context(bound(host, port))
        if probe:
            probed(policy)
        gate = loaded(policy)
        undo.pop_all()

    async def beside(gate: Gate) -> None:
        say(f"ready on {address(listener)}, policy {gate.rules.policy.source}")
        if source is not None:
            await watch(gate, source, read)

    until_stopped(gate, listener, beside)
    return 0


def loaded(policy: Policy, *, processes: int = 1) -> Gate:
    """A gate whose decoders run and whose defences have looked at a first picture."""
    traces.setup()
    gate = Gate(policy, processes=processes)
    try:
        for line in asyncio.run(started(gate)):
            say(f"warning: {line}")
    except BaseException:
        asyncio.run(gate.close())
        raise
    return gate


def until_stopped(gate: Gate, listener: socket.socket, beside: Lifespan) -> None:
    """Serves on the port until a signal, with `beside` beside it."""
    import uvicorn

    async def first(gate: Gate) -> None:
        # What is loaded stays: looking for garbage in it would stop every request for a third of
        # a second now and then.
        gc.collect()
        gc.freeze()
        await beside(gate)

    uvicorn.Server(http.config(application(gate, background=first))).run(sockets=[listener])
