"""Who comes in, how much of a body is read, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from sallet.gateway import rates
from sallet.gateway.gate import Gate, Rules
from sallet.gateway.keys import Keyring
from sallet.gateway.policy import Rule
from sallet.gateway.refusals import Refused
from sallet.gateway.trail import Trail
from sallet.media.limits import MIB

T = TypeVar("T")


def owner(keyring: Keyring, request: Request) -> str:
    """The id of the key that came along."""
    headers = request.headers
    found = keyring.owner(headers.get("authorization"), headers.get("x-api-key"))
    if found is None:
        raise Refused("no-key")
    return found


def client_of(rules: Rules, request: Request) -> str | None:
    """Whose request it is; None where the policy asks for no key."""
    return owner(rules.keyring, request) if rules.policy.keyed else None


async def counted(gate: Gate, rules: Rules, client: str | None) -> None:
    """Lets a client in that has not asked too often; without keys all are one client."""
    policy = rules.policy
    mine = policy.clients.get(client, Rule()) if client is not None else Rule()
    per_minute = mine.requests_per_minute or policy.rates.requests_per_minute
    burst = mine.burst or policy.rates.burst
    await rates.check(gate.limiter, client or "anybody", per_minute, burst)


async def body(request: Request, gate: Gate, rules: Rules, trail: Trail) -> bytes:
    """The whole body, no longer and no slower than the policy allows, and JSON by its type.

    What is held of all bodies together is bounded, too; it is let go with the request.
    """
    limits = rules.policy.limits
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        kind != "application/json"
        or request.headers.get("content-encoding", "identity") != "identity"
    ):
        raise Refused("not-json")
    most = int(limits.body_mib * MIB)
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        raise Refused("too-large")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Refused("too-large")
                if gate.held + len(part) > limits.bodies_mib * MIB:
                    raise Refused("busy", retry_after=1)
                trail.held += len(part)
                gate.held += len(part)
                parts.append(part)
    except TimeoutError:
        raise Refused("too-slow-body") from None
    except ClientDisconnect:
        raise Refused("left") from None
    return b"".join(parts)


async def while_there(job: Coroutine[Any, Any, T], receive: Receive) -> T:
    """The job's result; it is stopped when the client leaves first."""
    task = asyncio.ensure_future(job)
    watch = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refused("left")
        return task.result()
    finally:
        for one in (task, watch):
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await one


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
