"""The application: a list of paths, and nothing beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sallet.gateway import door, guardrail, replies
from sallet.gateway.console import page
from sallet.gateway.gate import Gate
from sallet.gateway.guardrail import Guardrail
from sallet.gateway.live import together
from sallet.gateway.messages import MESSAGES
from sallet.gateway.refusals import Refused
from sallet.gateway.responses import RESPONSES
from sallet.gateway.serve import Endpoint
from sallet.gateway.thumbs import thumbnails
from sallet.gateway.upstream import Server
from sallet.gateway.warm import warmed

_STRICT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
Lifespan = Callable[[Gate], Any]


def application(gate: Gate, *, background: Lifespan | None = None) -> Starlette:
    """The ASGI application of a gate; it is ready when its defences and decoders have started."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if not gate.ready:  # a process warms its gate before it listens
            await started(gate)
        beside = asyncio.ensure_future(background(gate)) if background else None
        try:
            yield
        finally:
            gate.ready = False
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)
            await gate.close()

    async def models(request: Request) -> Response:
        client = door.client_of(gate.rules, request)
        return JSONResponse({"object": "list", "data": await listed(gate, client)})

    async def healthy(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        fine = gate.ready and not gate.audit.broken
        return JSONResponse({"status": "ready" if fine else "not ready"}, 200 if fine else 503)

    async def metrics(request: Request) -> Response:
        rules = gate.rules
        if rules.admin.entries:
            door.owner(rules.admin, request)
        gate.counted()
        return Response(gate.gauges.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def console(request: Request) -> Response:
        rules, recent = gate.rules, gate.recent
        if recent is None or not rules.admin.entries:
            raise Refused("not-found")
        try:
            door.owner(rules.admin, request)
        except Refused:
            challenge = {"www-authenticate": 'Basic realm="sallet"'}
            return JSONResponse(replies.error(Refused("no-key")), 401, challenge)
        pictures = await thumbnails(gate, [one.id for one in recent.interventions])
        how = {"ready": gate.ready, "policy": rules.policy.source, "processes": gate.processes}
        shown = page(recent, pictures, **how)
        return HTMLResponse(shown, headers={"content-security-policy": _STRICT})

    routes = [
        Route("/console", console, methods=["GET"]),
        Route("/v1/chat/completions", Endpoint(gate), methods=["POST"]),
        Route("/v1/responses", Endpoint(gate, RESPONSES), methods=["POST"]),
        Route("/v1/messages", Endpoint(gate, MESSAGES), methods=["POST"]),
        Route(guardrail.PATH, Guardrail(gate), methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
        Route("/healthz", healthy, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={404: _not_found, 405: _wrong_method, Refused: _refused},
    )
    app.router.redirect_slashes = False
    return app


async def started(gate: Gate) -> list[str]:
    """Waits for the decoders and for what each defence loads; gives what is odd about it."""
    await asyncio.to_thread(gate.workers.canonical, _DOT)
    lines = await warmed(gate, gate.rules)
    gate.ready = True
    return lines


async def listed(gate: Gate, client: str | None) -> list[dict[str, Any]]:
    """The models that this client may ask: those that are served, and those the policy names."""
    found: dict[str, dict[str, Any]] = {}

    async def names(server: Server) -> list[str]:
        try:
            return [str(one["id"]) for one in await server.models()]
        except Refused:
            return []

    servers = list(gate.rules.servers.values())
    served = await together(*(names(server) for server in servers))
    for server, ids in zip(servers, served, strict=True):
        literal = [p for p in server.upstream.models if not set("*?[") & set(p)]
        for id in (*ids, *literal):
            route = gate.rules.policy.route(id, client)
            if route is not None and route.name == server.name:
                found[id] = {"id": id, "object": "model", "created": 0, "owned_by": server.name}
    return list(found.values())


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(replies.error(error), error.status)


async def _not_found(request: Request, error: Exception) -> Response:
    return await _refused(request, Refused("not-found"))


async def _wrong_method(request: Request, error: Exception) -> Response:
    return await _refused(request, Refused("wrong-method"))


def _dot() -> bytes:
    """One white pixel, as a PNG."""
    import numpy as np

    from sallet.core.image import Image
    from sallet.media.encode import encode

    return encode(Image(np.full((1, 1, 3), 255, np.uint8)))


_DOT = _dot()
