"""Fetching: to named hosts, by addresses that were looked at, hop by hop, on real sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from sallet.gateway.fetch import Fetcher, public
from sallet.gateway.refusals import Refused
from sallet.gateway.sections import Fetching
from sallet.media.limits import MIB
from tests.gateway.conftest import Guard
from tests.gateway.pictures import picture, png
from tests.gateway.upstream import Model, serving

HERE = ("127.0.0.0/8",)


@dataclass
class Site:
    """A host of images, and what it was asked."""

    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def image(self, request: Request) -> Response:
        self.asked.append((request.headers["host"], request.url.path))
        return Response(png(), media_type="image/png")

    async def moved(self, request: Request) -> Response:
        self.asked.append((request.headers["host"], request.url.path))
        return RedirectResponse(request.query_params["to"], 302)

    async def endless(self, request: Request) -> Response:
        async def more() -> AsyncIterator[bytes]:
            while True:
                yield bytes(65536)
                await asyncio.sleep(0.001)

        return StreamingResponse(more(), media_type="image/png")

    async def slow(self, request: Request) -> Response:
        async def more() -> AsyncIterator[bytes]:
            for byte in png():
                yield bytes([byte])
                await asyncio.sleep(0.05)

        return StreamingResponse(more(), media_type="image/png")

    async def packed(self, request: Request) -> Response:
        return Response(b"\x1f\x8b" + bytes(99), headers={"content-encoding": "gzip"})

    async def gone(self, request: Request) -> Response:
        return Response(b"secret", 404)


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    made = Site()
    routes = [
        Route("/a.png", made.image),
        Route("/moved", made.moved),
        Route("/endless", made.endless),
        Route("/slow", made.slow),
        Route("/packed", made.packed),
        Route("/gone", made.gone),
    ]
    with serving(Starlette(routes=routes)) as url:
        made.port = int(url.rpartition(":")[2])
        yield made


@pytest.fixture
def site(running: Site) -> Site:
    running.asked.clear()
    return running


def policy(site: Site, **more: Any) -> Fetching:
    given: dict[str, Any] = {
        "hosts": ("images.test", "*.cdn.test"),
        "networks": HERE,
        "ports": (site.port, 80),
        "schemes": ("http",),
        "seconds": 3,
    }
    return Fetching(**{**given, **more})


def fetch(url: str, fetching: Fetching, *answers: Sequence[str], most: int = MIB) -> bytes:
    """Fetches with a resolver that gives these answers in turn, the last for ever."""
    left = list(answers or [["127.0.0.1"]])

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return asyncio.run(Fetcher(fetching, most, resolve)(url))


def denied(url: str, fetching: Fetching, *answers: Sequence[str], most: int = MIB) -> str:
    with pytest.raises(Refused) as caught:
        fetch(url, fetching, *answers, most=most)
    return caught.value.code


def test_an_image_is_fetched_from_a_named_host(site: Site):
    at = f"http://images.test:{site.port}/a.png"
    assert fetch(at, policy(site)) == png()
    assert fetch(at.replace("images.test", "x.cdn.test"), policy(site)) == png()
    assert site.asked == [
        (f"images.test:{site.port}", "/a.png"),
        (f"x.cdn.test:{site.port}", "/a.png"),
    ]


URLS = [
    "http://other.test/a.png",
    "http://cdn.test/a.png",
    "http://images.test.evil.test/a.png",
    "http://evil.test/images.test",
    "http://images.test@evil.test/a.png",
    "http://evil.test\\@images.test/a.png",
    "http://evil.test#@images.test/a.png",
    "http://images.test:22/a.png",
    "http://images.test:99999/a.png",
    "http://images.test:/a.png",
    "https://images.test/a.png",
    "http\u017f://images.test/a.png",
    "ftp://images.test/a.png",
    "file:///etc/passwd",
    "file://images.test/etc/passwd",
    "//images.test/a.png",
    "images.test/a.png",
    "http:images.test/a.png",
    "http:///images.test/a.png",
    "http://images.test\n.evil.test/a.png",
    "http://images.test/a.png\r\nx: y",
    "http://images.test/ a.png",
    " http://images.test/a.png",
    "http://127.0.0.1/a.png",
    "http://2130706433/a.png",
    "http://0x7f000001/a.png",
    "http://0x7f.1/a.png",
    "http://017700000001/a.png",
    "http://127.1/a.png",
    "http://0/a.png",
    "http://[::1]/a.png",
    "http://[::ffff:127.0.0.1]/a.png",
    "http://[fe80::1%25eth0]/a.png",
    "http://localhost/a.png",
    "http://１２７.0.0.1/a.png",
    "http://ⓘmages.test/a.png",
    "http://images。test/a.png",
    "http://images.test/" + "a" * 3000,
    "jar:http://images.test!/a.png",
    "http://-images.test/a.png",
    "http://.images.test/a.png",
]


@pytest.mark.parametrize("url", URLS)
def test_urls_that_lead_elsewhere(url: str, site: Site):
    assert denied(url, policy(site, hosts=("images.test", "*.cdn.test"))) == "fetching-denied"
    assert site.asked == []


PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1",
    "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "::", "::1", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:808:808::", "2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254",
    "fe80::1", "fec0::1", "ff02::1", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str, site: Site):
    assert not public(ipaddress.ip_address(address))
    url = f"http://images.test:{site.port}/a.png"
    assert denied(url, policy(site, networks=()), [address]) == "fetching-denied"
    mixed = policy(site, networks=())
    assert denied(url, mixed, ["93.184.215.14", address]) == "fetching-denied"
    assert denied(url, mixed, [address, "93.184.215.14"]) == "fetching-denied"
    assert site.asked == []


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111"])
def test_addresses_that_are_public(address: str):
    assert public(ipaddress.ip_address(address))


def test_a_name_is_resolved_once_and_its_address_is_pinned(site: Site):
    """A resolver that answers otherwise the second time is not asked a second time."""
    at = f"http://images.test:{site.port}/a.png"
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    assert asyncio.run(Fetcher(policy(site), MIB, resolve)(at)) == png()
    assert asked == ["images.test"]


def test_each_hop_of_a_redirect_is_looked_at_again(site: Site):
    at = f"http://images.test:{site.port}"
    fine = f"{at}/moved?to={at}/a.png"
    assert fetch(fine, policy(site)) == png()
    assert fetch(f"{at}/moved?to=/a.png", policy(site)) == png()
    site.asked.clear()
    for to in (
        "http://evil.test/",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "//evil.test/",
        "\\\\x",
    ):
        assert denied(f"{at}/moved?to={to}", policy(site)) == "fetching-denied"
    again = denied(fine, policy(site), ["127.0.0.1"], ["10.0.0.1"])  # rebound between the hops
    assert again == "fetching-denied"
    assert {path for _, path in site.asked} == {"/moved"}


def test_redirects_end(site: Site):
    at = f"http://images.test:{site.port}/moved"
    chain = at
    for _ in range(5):
        chain = f"{at}?to={chain.replace('?', '%3F').replace('=', '%3D')}"
    assert denied(chain, policy(site, redirects=2)) == "fetch-failed"
    assert len(site.asked) == 3


def test_a_body_without_end(site: Site):
    at = f"http://images.test:{site.port}/endless"
    began = time.monotonic()
    assert denied(at, policy(site), most=MIB) == "too-many-bytes"
    assert time.monotonic() - began < 3


def test_a_body_that_trickles(site: Site):
    began = time.monotonic()
    assert (
        denied(f"http://images.test:{site.port}/slow", policy(site, seconds=0.4)) == "fetch-failed"
    )
    assert time.monotonic() - began < 2


def test_what_is_packed_or_gone_is_no_image(site: Site):
    for path in ("packed", "gone", "nowhere"):
        assert denied(f"http://images.test:{site.port}/{path}", policy(site)) == "fetch-failed"


def test_proxies_of_the_environment_have_no_say(site: Site, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(f"http://images.test:{site.port}/a.png", policy(site)) == png()


@contextmanager
def lying(reply: bytes) -> Iterator[int]:
    """A server that says this and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        def serve() -> None:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                line.recv(65536)
                line.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.close()
            thread.join(10)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx", "too-many-bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx", "fetch-failed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nx", "fetch-failed"),
        (b"nonsense\r\n\r\n", "fetch-failed"),
        (b"", "fetch-failed"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "fetch-failed"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://[\r\n\r\n", "fetch-failed"),
    ],
    ids=["long", "short", "negative", "nonsense", "nothing", "no-location", "no-url"],
)
def test_servers_that_lie(reply: bytes, code: str, site: Site):
    with lying(reply) as port:
        found = denied(f"http://images.test:{port}/a.png", policy(site, ports=(port,), redirects=0))
    assert found == code


def test_a_name_that_does_not_exist(site: Site):
    fetcher = Fetcher(policy(site), MIB)
    with pytest.raises(Refused, match="could not be fetched"):
        asyncio.run(fetcher(f"http://images.test:{site.port}/a.png"))


def test_through_the_whole_gateway(start: Callable[..., Guard], model: Model, site: Site):
    """`localhost` is a real name of the system's resolver; the model server gets bytes only."""
    allowed = {
        "hosts": ["localhost"], "networks": ["127.0.0.0/8", "::1/128"],
        "ports": [site.port], "schemes": ["http"],
    }  # fmt: skip
    guard = start(images={"fetch": allowed})
    url = f"http://localhost:{site.port}/a.png"
    reply = guard.ask("hi", {"type": "image_url", "image_url": {"url": url}})
    if reply.status_code == 400:  # `localhost` is ::1 first here, where the site does not listen
        assert reply.json()["error"]["code"] == "fetch-failed"
        pytest.skip("localhost is not 127.0.0.1 first")
    assert reply.status_code == 200
    assert np.array_equal(model.images()[0].pixels(), picture())
    assert "localhost" not in str(model.bodies)
