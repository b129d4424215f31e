"""`RemoteModel` against a real server: order, limits, secrets, proxies, event loops."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sallet.core.compose import Nothing
from sallet.core.errors import InputError, UsageError
from sallet.core.image import Image
from sallet.core.offline import Offline
from sallet.core.query import Answer, Failure, Query
from sallet.models.remote import RemoteModel
from tests.models.remote_server import (
    KEY,
    Reply,
    Server,
    complaint,
    model,
    one,
    running,
    said,
    text_of,
)


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def server(started: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    started.reset()
    return started


def test_order_is_kept_when_replies_come_out_of_order(server: Server) -> None:
    names = [f"q{i}" for i in range(6)]
    server.plan = {n: [Reply(said(n), after=0.3 - 0.05 * i)] for i, n in enumerate(names)}
    results = model(server).answer([Query.ask(n) for n in names])
    assert [text_of(result) for result in results] == names
    assert server.finished != names


def test_no_more_requests_are_in_flight_than_allowed(server: Server) -> None:
    server.plan = {f"q{i}": [Reply(after=0.05)] for i in range(12)}
    queries = [Query.ask(f"q{i}") for i in range(12)]
    results = model(server, max_concurrency=3).answer(queries)
    assert [text_of(result) for result in results] == ["fine"] * 12
    assert server.most == 3


def test_the_limit_holds_over_calls_inside_async_with(server: Server) -> None:
    server.plan = {f"q{i}": [Reply(after=0.1)] for i in range(6)}

    async def six_calls() -> list[list[Answer | Failure]]:
        async with model(server, max_concurrency=2) as remote:
            calls = [remote.aanswer([Query.ask(f"q{i}")]) for i in range(6)]
            together = await asyncio.gather(*calls)
            return [*together, await remote.aanswer([Query.ask("later")])]

    assert len(asyncio.run(six_calls())) == 7
    assert server.most == 2
    assert len(server.connections) <= 3  # kept open between the calls


def test_a_failure_costs_only_its_own_answer(server: Server) -> None:
    server.plan = {"bad": [Reply(b"no", 400)], "worse": [Reply(b"<html>")]}
    results = model(server).answer([Query.ask(t) for t in ("a", "bad", "b", "worse", "c")])
    texts = [r.text if isinstance(r, Answer) else None for r in results]
    assert texts == ["echo a", None, "echo b", None, "echo c"]


def test_no_endpoint_says_what_to_do(server: Server) -> None:
    with pytest.raises(UsageError, match="OPENAI_BASE_URL"):
        RemoteModel("m")


@pytest.mark.parametrize("given", ["127.0.0.1:8000", "localhost:8000/v1", "ftp://host/v1"])
def test_an_address_that_is_none_is_shown_as_it_was_given(given: str):
    with pytest.raises(UsageError, match=f"got '{given}'"):
        RemoteModel("m", base_url=given)


def test_endpoint_and_key_come_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert text_of(one(RemoteModel("m", headers={"X-Team": "blue-team"}))) == "echo q"
    (arrival,) = server.arrivals
    assert arrival.headers["authorization"] == f"Bearer {KEY}"
    assert arrival.headers["x-team"] == "blue-team"
    assert arrival.headers["user-agent"].startswith("sallet/")


def test_without_a_key_none_is_sent(server: Server) -> None:
    text_of(one(model(server)))
    assert "authorization" not in server.arrivals[0].headers


def test_the_key_is_in_no_message(server: Server) -> None:
    echo = json.dumps({"error": {"message": f"wrong key {KEY}, org blue-team"}}).encode()
    server.plan = {
        "status": [Reply(echo, 401)],
        "garbage": [Reply(b"x" * 190 + KEY.encode())],  # not cut into a half that is not known
        "error": [Reply(echo)],
    }
    remote = model(server, api_key=KEY, headers={"X-Team": "blue-team"})
    lines = [complaint(one(remote, text)) for text in server.plan]
    assert "wrong key ***, org ***" in lines[0]
    assert not any(KEY[:6] in line or "blue-team" in line for line in lines)
    assert KEY not in f"{remote!r} {vars(remote)!r}"


def test_a_redirect_is_not_followed(server: Server) -> None:
    old = server.url.replace("/v1", "/old")
    assert "final base URL" in complaint(one(model(server, base_url=old, api_key=KEY)))
    assert server.arrivals == []


def test_this_machine_is_reached_without_the_environments_proxy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert text_of(one(model(server))) == "echo q"


def test_hosts_elsewhere_are_asked_for_through_the_environments_proxy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test's server plays the proxy: a name that nobody can resolve reaches it."""
    for name in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    assert text_of(one(model(server, base_url="http://nowhere.invalid/v1"))) == "echo q"
    assert server.arrivals[0].headers["host"] == "nowhere.invalid"


def test_the_endpoints_own_query_string_is_kept(server: Server) -> None:
    text_of(one(model(server, base_url=f"{server.url}/?api-version=3")))
    assert server.arrivals[0].query == "api-version=3"


def test_models_are_listed(server: Server) -> None:
    assert model(server).models() == ["a", "b/c"]


def test_it_answers_inside_a_running_event_loop(server: Server) -> None:
    async def notebook() -> list[Answer | Failure]:
        remote = model(server)
        async with remote:
            return [*remote.answer([Query.ask("a")]), *await remote.aanswer([Query.ask("b")])]

    assert [text_of(result) for result in asyncio.run(notebook())] == ["echo a", "echo b"]


def test_one_model_can_be_asked_again_and_again(server: Server) -> None:
    remote = model(server)
    assert [text_of(one(remote, t)) for t in "abc"] == ["echo a", "echo b", "echo c"]
    assert remote.answer([]) == []


def test_a_query_that_cannot_be_sent_is_a_failure_of_its_own_kind(server: Server) -> None:
    def broken(seen: Any) -> Any:
        raise InputError("this file is torn")

    torn = Image(np.zeros((2, 2, 3), np.uint8)).view(broken)
    bad, good = model(server).answer([Query.ask(torn, "x"), Query.ask("y")])
    assert isinstance(bad, Failure)
    assert isinstance(bad.error, InputError)
    assert text_of(good) == "echo y"


def test_it_is_a_model_for_the_evaluation(server: Server) -> None:
    server.plan = {"bad": [Reply(b"no", 400)]}
    remote = model(server, name="far away")
    results = Offline(remote).run(Nothing(), [Query.ask(t) for t in ("a", "bad", "b")])
    assert [isinstance(result, Answer) for result in results] == [True, False, True]
    assert (remote.name, remote.model, remote.deterministic) == ("far away", "m", False)


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"retries": -1}, {"max_concurrency": 0}])
def test_settings_out_of_range_are_refused(server: Server, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        model(server, **wrong)
