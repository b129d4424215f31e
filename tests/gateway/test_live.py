"""Real requests through real defences: batches, queues, deadlines, clients that leave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest

from sallet.core.compose import Stack
from sallet.core.guarded import Guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Query
from sallet.gateway import stacks
from sallet.gateway.app import application
from sallet.gateway.main import loaded
from sallet.gateway.policy import of
from tests.gateway import toys
from tests.gateway.conftest import Guard
from tests.gateway.pictures import part, picture, png
from tests.gateway.toys import Broken, Checked, Negative, Screen, layer
from tests.gateway.upstream import Model, serving
from tests.media.corpus.build import saved

Start = Callable[..., Guard]
WHITE = saved(np.full((16, 16, 3), 255, np.uint8), "PNG")
POISON = saved(np.full((16, 16, 3), 13, np.uint8), "PNG")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    toys.CALLS.clear()
    toys.GO.set()
    yield
    toys.GO.set()


def stacked(*layers: Any, **more: Any) -> dict[str, Any]:
    return {"stacks": {"default": list(layers)}, **more}


def at_once(guard: Guard, count: int, *parts: Any, **fields: Any) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: guard.ask(*parts, **fields), range(count)))


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_defence_changes_what_is_forwarded(start: Start, model: Model):
    guard = start(**stacked(layer(Negative)))
    reply = guard.ask("what?", part(png()))
    assert reply.headers["x-sallet-verdict"] == "repaired"
    assert np.array_equal(model.images()[0].pixels(), 255 - picture())
    record = guard.records()[-1]
    assert record["in"][1]["digest"] == Image(picture()).digest
    assert record["out"][1]["digest"] == Image(255 - picture()).digest
    assert {"worker:_negative", "defense:negative", "canonical", "upstream"} <= {
        stage["stage"] for stage in record["stages"]
    }


def test_what_is_forwarded_is_what_offline_forwards(start: Start, model: Model):
    """The same object in the gateway and in an evaluation, to the pixel and to the word."""
    layers = ["safety-prompt", {"name": "jpeg", "quality": 40}, "resize"]
    start(**stacked(*layers)).ask("what?", part(png()))
    shown: list[Query] = []

    class Watching:
        name = "watching"

        def answer(self, asked: Any) -> list[Answer]:
            shown.extend(asked)
            return [Answer("a cat") for _ in asked]

    built = stacks.build(tuple(layers), "here")
    Guarded(Watching(), built.defense).answer([Query.ask("what?", Image(picture()))])
    assert isinstance(built.defense, Stack)
    assert model.images()[0].digest == shown[0].images[0].digest
    assert model.bodies[0]["messages"][0]["content"] == shown[0].system


def test_requests_share_a_call_of_a_worker(start: Start):
    guard = start(**stacked(layer(Screen, slow=0.05)), batching={"wait_ms": 50})
    toys.CALLS.clear()
    replies = at_once(guard, 8, "what?", part(png()))
    assert {reply.status_code for reply in replies} == {200}
    assert sum(toys.CALLS) == 8
    assert max(toys.CALLS) > 1
    assert len(toys.CALLS) < 8


def test_one_request_alone_does_not_wait(start: Start):
    guard = start(**stacked(layer(Screen)), batching={"wait_ms": 5000})
    guard.ask("what?", part(png()))
    began = time.monotonic()
    guard.ask("what?", part(png()))
    assert time.monotonic() - began < 2


def test_an_item_that_fails_costs_only_its_own_request(start: Start):
    guard = start(**stacked(layer(Screen)), batching={"wait_ms": 200})
    toys.CALLS.clear()
    toys.GO.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(guard.ask, "first", part(png()))
        until(lambda: len(toys.CALLS) == 1)
        jobs = [pool.submit(guard.ask, "what?", part(data)) for data in (png(1), POISON, png(2))]
        until(lambda: guard.gate.batches.depth == 3)
        toys.GO.set()
        statuses = [job.result().status_code for job in (first, *jobs)]
    assert statuses == [200, 200, 503, 200]
    failed = next(r for r in guard.records() if r["status"] == 503)
    assert (failed["code"], failed["error"], failed["verdict"]) == (
        "guard-failed",
        "RuntimeError",
        "failed",
    )
    assert "secret" not in guard.log.read_text()


def test_a_full_queue_says_when_to_come_back(start: Start):
    guard = start(**stacked(layer(Screen)), limits={"queue": 2}, batching={"items": 1})
    toys.GO.clear()
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(guard.ask, "what?", part(png())) for _ in range(3)]
        until(lambda: guard.gate.batches.depth == 2)
        late = guard.ask("what?", part(png()))
        assert late.status_code == 429
        assert late.headers["retry-after"] == "1"
        assert late.json()["error"]["code"] == "busy"
        toys.GO.set()
        assert [job.result().status_code for job in jobs] == [200, 200, 200]


def test_too_many_requests_in_flight_are_turned_away(start: Start, model: Model):
    guard = start(limits={"in_flight": 2})
    model.pause = 0.5
    statuses = sorted(reply.status_code for reply in at_once(guard, 4, "hi"))
    assert statuses[:2] == [200, 200]
    assert statuses[-1] == 429


def test_a_deadline_passes(start: Start, model: Model):
    guard = start(limits={"deadline": 0.3})
    model.manner = "hang"
    assert guard.ask("hi").json()["error"]["code"] == "deadline"
    until(lambda: model.cancelled == 1)
    slow = start(upstreams={"main": {"url": model.url, "timeout": 0.3}})
    reply = slow.ask("hi")
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "upstream-slow")


def test_a_detector_that_hangs_costs_a_deadline(start: Start):
    guard = start(**stacked(layer(Screen)), limits={"deadline": 0.3})
    toys.GO.clear()
    assert guard.ask("hi", part(png())).status_code == 504
    toys.GO.set()
    assert guard.ask("hi", part(png())).status_code == 200


@contextmanager
def asking(guard: Guard, body: Any) -> Iterator[socket.socket]:
    """A bare socket that a request was sent on and nothing was read from; it takes little."""
    where = urlsplit(guard.url)
    data = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((str(where.hostname), int(where.port or 0)))
        line.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        yield line


def leave(guard: Guard, body: Any, wait: Callable[[], bool]) -> None:
    """Sends a request on a bare socket and hangs up when `wait` is over."""
    with asking(guard, body):
        until(wait)


def test_a_client_that_leaves_stops_the_work(start: Start, model: Model):
    guard = start()
    model.manner = "hang"
    body = {"model": "toy", "messages": [{"role": "user", "content": "hi"}]}
    leave(guard, body, lambda: len(model.bodies) == 1)
    until(lambda: model.cancelled == 1)
    until(lambda: guard.log.exists() and bool(guard.records()))
    record = guard.records()[-1]
    assert (record["verdict"], record["status"]) == ("left", 499)


def test_a_client_that_leaves_a_stream_ends_it_upstream(start: Start, model: Model):
    guard = start()
    model.says, model.pause = "word " * 400, 0.02
    for path, body in (
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("responses", {"input": "hi"}),
        ("messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
    ):
        streams = model.streams
        told = {"model": "toy", "stream": True, **body}
        with guard.http.stream("POST", f"/v1/{path}", json=told) as reply:
            assert next(reply.iter_bytes())
        until(lambda seen=streams: model.streams == seen + 1 and model.ended == model.streams)
        until(lambda: guard.records()[-1]["verdict"] == "left")


MUCH: dict[str, Any] = {
    "model": "toy", "messages": [{"role": "user", "content": "hi"}], "stream": True,
}  # fmt: skip


def test_a_client_that_reads_nothing_has_left(start: Start, model: Model):
    guard = start(limits={"deadline": 2})
    model.says = f"{'w' * 2**20} " * 16  # more than any system holds for a socket
    with asking(guard, MUCH):
        until(lambda: any(one["event"] == "end" for one in guard.records()))
        until(lambda: guard.gate.flying == 0)
    assert guard.records()[-1]["verdict"] == "left"


def test_a_client_that_reads_slowly_is_waited_for(start: Start, model: Model):
    guard = start(upstreams={"main": {"url": model.url, "timeout": 0.5}})
    model.says = f"{'w' * 2**20} " * 16
    with asking(guard, MUCH) as line:
        time.sleep(1.5)  # longer than the model server may be silent
        came = b""
        while not came.endswith(b"0\r\n\r\n"):
            more = line.recv(2**20)
            assert more
            came = came[-64:] + more
    assert b"[DONE]" in came
    assert guard.records()[-1]["verdict"] == "passed"


def test_a_client_that_leaves_a_queue_takes_its_items_along(start: Start):
    guard = start(**stacked(layer(Screen)), batching={"items": 1})
    toys.CALLS.clear()
    toys.GO.clear()
    content = [{"type": "text", "text": "hi"}, part(png())]
    body = {"model": "toy", "messages": [{"role": "user", "content": content}]}
    thread = threading.Thread(target=lambda: guard.ask("hi", part(png())))
    thread.start()
    until(lambda: toys.CALLS == [1])
    leave(guard, body, lambda: guard.gate.batches.depth == 1)
    until(lambda: guard.gate.batches.depth == 0)
    toys.GO.set()
    thread.join()
    assert toys.CALLS == [1]


def test_a_defence_refuses_in_a_stream_too(start: Start, model: Model):
    guard = start(**stacked(layer(Screen)))
    with openai.OpenAI(base_url=f"{guard.url}/v1", api_key="none") as client:
        content: Any = [{"type": "text", "text": "hi"}, part(WHITE)]
        messages: Any = [{"role": "user", "content": content}]
        whole = client.chat.completions.create(model="toy", messages=messages, n=2)
        assert [c.finish_reason for c in whole.choices] == ["content_filter"] * 2
        chunks = list(client.chat.completions.create(model="toy", messages=messages, stream=True))
    assert chunks[0].choices[0].delta.content == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert model.bodies == []
    record = guard.records()[0]
    assert (record["verdict"], record["refused_by"]) == ("refused", "defense:screen")
    assert record["scores"] == [{"margin": 55.0, "alarmed": True}]


def test_a_defence_that_needs_the_answer_withholds_it(start: Start, model: Model):
    guard = start(**stacked(layer(Checked)))
    model.says = "something bad"
    reply = guard.ask("hi", part(png()), stream=True)
    assert "something bad" not in reply.text
    assert reply.headers["x-sallet-verdict"] == "refused"
    assert len(model.bodies) == 2
    model.says = "something fine"
    reply = guard.ask("hi", part(png()), stream=True, stream_options={"include_usage": True})
    assert "something fine" in reply.text
    assert reply.headers["x-sallet-verdict"] == "answered"
    assert '"total_tokens":18' in reply.text  # of both questions


def test_a_vote_gives_as_many_choices_as_were_asked_for(start: Start, model: Model):
    guard = start(**stacked({"name": "majority", "copies": 3}))
    made = guard.ask("what?", part(png()), n=2).json()
    assert [choice["message"]["content"] for choice in made["choices"]] == ["a cat"] * 2
    assert len(model.bodies) == 6
    assert len({model.images(i)[0].digest for i in range(6)}) == 6  # six draws of noise
    again = guard.ask("what?", part(png()), seed=5).json()
    assert again["usage"]["total_tokens"] == 3 * 9
    assert len({model.images(i)[0].digest for i in range(9)}) == 9  # nor by the client's seed


def test_a_defences_own_question_has_no_tools(start: Start, model: Model):
    guard = start(**stacked(layer(Checked)))
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    guard.ask("hi", tools=[tool])
    assert [("tools" in body) for body in model.bodies] == [True, False]


def test_observing_changes_nothing(start: Start, model: Model):
    guard = start(**stacked(layer(Screen)), mode="observe")
    reply = guard.ask("hi", part(WHITE))
    assert reply.headers["x-sallet-verdict"] == "observed"
    assert len(model.bodies) == 1
    assert guard.records()[-1]["would"] == "refused"


def test_a_roll_out_takes_a_share(start: Start):
    guard = start(**stacked(layer(Screen)), rollout=50)
    seen = [guard.ask("hi", part(WHITE)).headers["x-sallet-verdict"] for _ in range(40)]
    assert set(seen) == {"observed", "refused"}


def test_a_guard_that_fails_refuses_unless_the_policy_says_pass(start: Start, model: Model):
    refusing = start(**stacked(layer(Broken)))
    reply = refusing.ask("hi")
    assert (reply.status_code, reply.headers["x-sallet-verdict"]) == (503, "failed")
    assert "secret" not in reply.text
    assert model.bodies == []
    passing = start(**stacked(layer(Broken)), on_error="pass")
    reply = passing.ask("hi")
    assert (reply.status_code, reply.headers["x-sallet-verdict"]) == (200, "unguarded")


def test_what_a_stack_needs_is_loaded_before_anybody_is_served(start: Start):
    guard = start(**stacked(layer(Screen)))
    assert toys.CALLS == [1]
    assert guard.http.get("/readyz").status_code == 200


def test_what_is_loaded_before_a_port_is_served_is_not_loaded_again(model: Model):
    policy = of({"upstreams": {"main": {"url": model.url}}, **stacked(layer(Screen))})
    with serving(application(loaded(policy)), lifespan="on") as url:
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    assert toys.CALLS == [1]
