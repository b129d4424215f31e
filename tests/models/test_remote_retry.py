"""`RemoteModel` against a server that refuses, hangs, drips, hangs up or talks nonsense."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sallet.core.errors import RemoteError
from tests.models.remote_server import Reply, Server, complaint, model, one, running, text_of


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


def test_too_many_requests_waits_as_long_as_asked(server: Server) -> None:
    server.plan = {"q": [Reply(b"{}", 429, {"retry-after": "1"}), Reply()]}
    assert text_of(one(model(server))) == "fine"
    (wait,) = server.waits("q")
    assert 1 <= wait < 5


def test_retry_after_may_be_a_date(server: Server) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server.plan = {"q": [Reply(b"{}", 503, {"retry-after": date}), Reply()]}
    assert text_of(one(model(server))) == "fine"
    (wait,) = server.waits("q")
    assert 0.5 < wait < 6  # dates have whole seconds


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(server: Server, status: int) -> None:
    server.plan = {"q": [Reply(b"busy", status), Reply(b"busy", status), Reply()]}
    assert text_of(one(model(server))) == "fine"
    assert len(server.arrivals) == 3


def test_waits_grow(server: Server) -> None:
    server.plan = {"q": [Reply(b"", 500)]}
    complaint(one(model(server, retries=3, backoff=0.2)))
    first, second, third = server.waits("q")
    assert first >= 0.1
    assert second >= 0.2
    assert third >= 0.4


def test_what_stays_broken_is_a_failure_that_says_what_and_how_often(server: Server) -> None:
    body = json.dumps({"error": {"message": "out of\nmemory"}}).encode()
    server.plan = {"q": [Reply(body, 500)]}
    line = complaint(one(model(server, retries=2)))
    assert "answered 500: out of memory (attempt 3, the last)" in line
    assert len(server.arrivals) == 3


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, "bad field"), (401, "OPENAI_API_KEY"), (404, "ends in /v1"), (413, "shrink"), (422, "")],
)
def test_what_will_not_pass_is_not_tried_again(server: Server, status: int, says: str) -> None:
    server.plan = {"q": [Reply(b'{"error": "bad field"}', status)]}
    line = complaint(one(model(server)))
    assert str(status) in line
    assert says in line
    assert len(server.arrivals) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON; it sent: an empty body"),
        (b"<html>Welcome</html>", "not JSON; it sent: <html>Welcome"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no choices"),
        (b'{"choices": [{"message": {"content": null}}]}', "no content"),
        (b'{"error": {"message": "overloaded"}}', "overloaded"),
    ],
)
def test_garbage_is_a_failure_at_once(server: Server, body: bytes, says: str) -> None:
    server.plan = {"q": [Reply(body)]}
    assert says in complaint(one(model(server)))
    assert len(server.arrivals) == 1


def test_a_server_that_hangs_is_left_and_asked_again(server: Server) -> None:
    server.plan = {"q": [Reply(after=30), Reply()]}
    assert text_of(one(model(server, timeout=0.5))) == "fine"
    assert len(server.arrivals) == 2


def test_a_server_that_always_hangs_is_a_failure(server: Server) -> None:
    server.plan = {"q": [Reply(after=30)]}
    line = complaint(one(model(server, timeout=0.2, retries=1)))
    assert "no complete reply within 0.2 s (attempt 2, the last)" in line


def test_the_deadline_bounds_all_attempts(server: Server) -> None:
    server.plan = {"q": [Reply(after=30)]}
    start = time.monotonic()
    line = complaint(one(model(server, timeout=0.4, deadline=1.0, retries=99, backoff=0.1)))
    assert "deadline of 1 s" in line
    assert time.monotonic() - start < 4
    assert 2 <= len(server.arrivals) <= 4


def test_a_wait_past_the_deadline_is_not_begun(server: Server) -> None:
    server.plan = {"q": [Reply(b"{}", 429, {"retry-after": "3600"})]}
    start = time.monotonic()
    assert "deadline" in complaint(one(model(server)))
    assert time.monotonic() - start < 5


def dripping(sent: bytes, connections: int) -> tuple[str, threading.Thread]:
    """A server below HTTP: each connection gets `sent`, then a byte now and then until it goes."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(20)

    def serve() -> None:
        with listening:
            for _ in range(connections):
                peer, _ = listening.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(sent)
                    for _ in range(100 if sent else 0):
                        try:
                            peer.sendall(b" ")
                        except OSError:
                            break
                        time.sleep(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/v1", thread


def test_a_server_that_drips_is_bounded_too(server: Server) -> None:
    url, thread = dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", 1)
    start = time.monotonic()
    line = complaint(one(model(server, base_url=url, timeout=0.5, retries=0)))
    assert "no complete reply within 0.5 s" in line
    assert time.monotonic() - start < 4
    thread.join(20)


def test_a_server_that_hangs_up_is_asked_again(server: Server) -> None:
    url, thread = dripping(b"", 3)
    line = complaint(one(model(server, base_url=url, retries=2)))
    assert "broke off" in line
    assert "attempt 3" in line
    thread.join(20)


def test_a_refused_connection_says_what_to_do(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = complaint(one(model(server, base_url=f"http://127.0.0.1:{port}/v1", retries=1)))
    assert f"http://127.0.0.1:{port}/v1/chat/completions cannot be connected to" in line
    assert "start the server" in line
    assert "OPENAI_BASE_URL" in line
    with pytest.raises(RemoteError, match="cannot be connected to"):
        model(server, base_url=f"http://127.0.0.1:{port}/v1", retries=0).models()
