"""A model server for all tests, and gateways in front of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sallet.gateway import policy
from sallet.gateway.app import application
from sallet.gateway.gate import Gate
from tests.gateway.upstream import Model, modelled, serving


@dataclass
class Guard:
    """A running gateway, and how to ask it."""

    url: str
    gate: Gate
    http: httpx.Client
    log: Path

    def post(self, body: Any, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
        return self.http.post(path, json=body, **more)

    def ask(self, *parts: Any, **fields: Any) -> httpx.Response:
        content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]
        messages = [{"role": "user", "content": content}]
        return self.post({"model": "toy", "messages": messages, **fields})

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def guarding(model: Model, folder: Path, **given: Any) -> Iterator[Guard]:
    log = folder / "audit.jsonl"
    small = {"decode_workers": 1, "decode_memory_mib": 256, **given.pop("limits", {})}
    whole = {
        "upstreams": {"main": {"url": model.url, "timeout": 5}},
        "audit": {"file": str(log)},
        "limits": small,
        **given,
    }
    gate = Gate(policy.of(whole))
    with (
        serving(application(gate), lifespan="on") as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
    ):
        yield Guard(url, gate, http, log)


@pytest.fixture(scope="session")
def server() -> Iterator[Model]:
    with modelled() as made:
        yield made


@pytest.fixture
def model(server: Model) -> Model:
    url = server.url
    server.__init__(url)
    return server


@pytest.fixture(scope="module")
def shared(server: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """A gateway with no defence, for tests that need nothing special."""
    with guarding(server, tmp_path_factory.mktemp("gate")) as guard:
        yield guard


@pytest.fixture
def guard(shared: Guard, model: Model) -> Guard:
    return shared


@pytest.fixture
def start(model: Model, tmp_path: Path) -> Iterator[Callable[..., Guard]]:
    """Starts gateways with a policy of the test's own."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(guarding(model, tmp_path, **given))
