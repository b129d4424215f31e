"""Fetching over TLS: the address is pinned, and the certificate is held against the name."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from sallet.core.errors import UsageError
from sallet.gateway.fetch import Fetcher, fetcher
from sallet.gateway.refusals import Refused
from sallet.gateway.sections import Fetching
from sallet.media.limits import MIB
from tests.gateway.pictures import png

NAME = "images.test"


@dataclass
class Site:
    """An https server, and what its clients said: the name before, and the host within."""

    port: int
    asked: list[tuple[str | None, bytes]] = field(default_factory=list)
    failed: int = 0

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}/a.png"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@contextmanager
def site(authority: trustme.CA, *names: str) -> Iterator[Site]:
    """One whose certificate has these names."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(tls)
    named: list[str | None] = []
    tls.sni_callback = lambda _, name, __: named.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Site(listener.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                    with tls.wrap_socket(line, server_side=True) as safe:
                        head = safe.recv(65536)
                        host = head.lower().partition(b"host: ")[2].partition(b"\r\n")[0]
                        made.asked.append((named[-1], host))
                        length = f"HTTP/1.1 200 OK\r\ncontent-length: {len(png())}\r\n\r\n"
                        safe.sendall(length.encode() + png())
                except ssl.SSLError:
                    made.failed += 1
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    assert not thread.is_alive()


def fetched(made: Site, ca: str | None) -> bytes:
    """Through a resolver that knows the name once, and then says an address where nobody is."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == (NAME, made.port)
        return answers.pop(0)

    fetching = Fetching(hosts=(NAME,), networks=("127.0.0.0/8",), ports=(made.port,), ca=ca)
    return asyncio.run(Fetcher(fetching, MIB, resolve)(made.url))


def test_the_certificate_is_that_of_the_name_and_the_address_is_pinned(
    authority: trustme.CA, ca: str
):
    with site(authority, NAME) as made:
        assert fetched(made, ca) == png()
    assert made.asked == [(NAME, f"{NAME}:{made.port}".encode())]


@pytest.mark.parametrize("name", ["other.test", "127.0.0.1", "*.images.test"])
def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, ca: str, name: str):
    """Also one of the very address that is dialled."""
    with site(authority, name) as made, pytest.raises(Refused, match="could not be fetched"):
        fetched(made, ca)
    assert made.asked == []
    assert made.failed == 1


def test_an_authority_that_nobody_named_is_not_trusted(authority: trustme.CA, ca: str):
    with site(trustme.CA(), NAME) as made, pytest.raises(Refused, match="could not be fetched"):
        fetched(made, ca)
    with site(authority, NAME) as other, pytest.raises(Refused, match="could not be fetched"):
        fetched(other, None)
    assert made.asked == other.asked == []


def test_the_environment_names_no_authorities(
    authority: trustme.CA, ca: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", ca)
    with site(authority, NAME) as made, pytest.raises(Refused, match="could not be fetched"):
        fetched(made, None)


def test_a_plain_server_is_no_https_server(ca: str):
    with socket.create_server(("127.0.0.1", 0)) as plain:
        made = Site(plain.getsockname()[1])

        def talk() -> None:
            line, _ = plain.accept()
            with line:
                line.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(Refused, match="could not be fetched"):
            fetched(made, ca)
        thread.join(10)


def test_certificates_that_cannot_be_read_are_an_error_at_the_start(tmp_path: Path):
    (tmp_path / "none.pem").write_text("nothing")
    for name in ("none.pem", "missing.pem"):
        fetching = Fetching(hosts=(NAME,), ca=str(tmp_path / name))
        with pytest.raises(UsageError, match="cannot read certificates"):
            fetcher(fetching, MIB)
