"""A look at each model server before anything is served: is it there, does it take pictures?"""

from __future__ import annotations

import asyncio
import json

import numpy as np

from sallet.core.errors import UsageError
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.gateway import upstream
from sallet.gateway.policy import Policy
from sallet.gateway.refusals import Refused
from sallet.gateway.said import say
from sallet.gateway.upstream import Server
from sallet.models import wire


def probed(policy: Policy) -> None:
    """Looks at the model servers, and says what is odd."""
    for line in asyncio.run(look(policy)):
        say(f"warning: {line}")


async def look(policy: Policy) -> list[str]:
    """What an operator should know; one that takes words but no pictures is an error.

    A server that is not there yet is no error: the gateway says so to every client until it is.
    """
    lines: list[str] = []
    async with upstream.Connections(1) as http:
        for name, one in policy.upstreams.items():
            if one.probe:
                lines += await _one(Server(name, one, http))
    return lines


async def _one(server: Server) -> list[str]:
    name = server.name
    literal = [p for p in server.upstream.models if not set("*?[") & set(p)]
    try:
        listed = [str(one["id"]) for one in await server.models()]
    except Refused as refused:
        hint = "" if server.upstream.url.rstrip("/").endswith("/v1") else "; most end in /v1"
        return [
            f"the model server {name} ({server.endpoint!r}{hint}) does not list its models: "
            f"{refused}{f' (it answered {refused.answered})' if refused.answered else ''}"
        ]
    models = literal or listed
    if not models or not server.upstream.vision:
        return []
    grey = Image(np.full((32, 32, 3), 127, np.uint8))
    if await _takes(server, models[0], Query.ask(grey, "?", max_tokens=1)):
        return []
    if await _takes(server, models[0], Query.ask("?", max_tokens=1)):
        raise UsageError(
            f"the model {models[0]!r} of upstreams.{name} takes words but no pictures; set "
            "`vision: false` for it, or put a model with eyes behind the gateway"
        )
    return [f"the model server {name} did not answer a first question about {models[0]!r}"]


async def _takes(server: Server, model: str, query: Query) -> bool:
    try:
        await server.complete(json.dumps(wire.fields(query, model)).encode())
    except Refused:
        return False
    return True
