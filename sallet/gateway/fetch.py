"""Images from elsewhere: from named hosts only, by addresses that were looked at, as bytes.

A name is resolved once for each hop, every address of it must be public (or in a network that the
policy names), and the connection goes to one of those very addresses; so a name that later points
elsewhere changes nothing. Redirects are followed by hand, each as if it came from the client.
"""

from __future__ import annotations

import asyncio
import fnmatch
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urljoin

import httpx

from sallet.core.errors import UsageError
from sallet.gateway.admit import Fetch, no_fetching
from sallet.gateway.refusals import Refused
from sallet.gateway.sections import Fetching

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

LONGEST: Final = 2048
_URL: Final = re.compile(r"(https?)://([a-z0-9.-]{1,253})(?::([0-9]{1,5}))?(/[!-~]*)?", re.I | re.A)
_NAME: Final = re.compile(
    r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)
# `is_global` knows most; these carry other addresses within, or reach what it calls public.
_NEVER: Final = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24",
        "198.18.0.0/15", "224.0.0.0/3", "168.63.129.16/32", "64:ff9b::/96", "64:ff9b:1::/48",
        "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96", "fec0::/10", "fe80::/10", "fc00::/7",
        "ff00::/8", "100::/64", "fd00:ec2::254/128",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A URL taken apart; what is asked for is put together from these again, never the original."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def base(self) -> str:
        """The whole of it, written by us."""
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"


def place(url: str, fetching: Fetching) -> Place:
    """Where a URL leads, if the policy allows it; a host that is a number is none."""
    found = _URL.fullmatch(url) if len(url) <= LONGEST else None
    if found is None or "\\" in url or "#" in url:
        raise Refused("fetching-denied")
    scheme, host = found[1].lower(), found[2].lower().rstrip(".")
    port = int(found[3]) if found[3] else {"http": 80, "https": 443}[scheme]
    named = _NAME.fullmatch(host) and not re.fullmatch(
        r"(0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2]
    )
    listed = any(fnmatch.fnmatchcase(host, pattern) for pattern in fetching.hosts)
    if not (named and listed and scheme in fetching.schemes and port in fetching.ports):
        raise Refused("fetching-denied")
    return Place(scheme, host, port, found[4] or "/")


def public(address: Address) -> bool:
    """Whether an address is one of the open internet, and hides no other."""
    return address.is_global and not any(
        address in network for network in _NEVER if network.version == address.version
    )


def trusting(ca: str | None) -> ssl.SSLContext:
    """The well-known authorities, and those of a file; nothing of the environment."""
    tls = httpx.create_ssl_context(trust_env=False)
    if ca is not None:
        try:
            tls.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"images.fetch.ca: cannot read certificates of {ca}: {error}"
            ) from None
    return tls


async def resolved(host: str, port: int) -> Sequence[str]:
    """Every address of a name, from the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return [str(one[4][0]) for one in found]


@dataclass(frozen=True)
class Fetcher:
    """Fetches within the policy; every refusal has one of two fixed texts."""

    fetching: Fetching
    most: int
    resolve: Resolve = resolved
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = field(init=False)
    tls: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tls", trusting(self.fetching.ca))
        networks = tuple(ipaddress.ip_network(one) for one in self.fetching.networks)
        object.__setattr__(self, "networks", networks)

    async def __call__(self, url: str) -> bytes:
        """The bytes at a URL."""
        where = place(url, self.fetching)
        try:
            async with asyncio.timeout(self.fetching.seconds):
                for _ in range(self.fetching.redirects + 1):
                    found = await self._hop(where)
                    if isinstance(found, bytes):
                        return found
                    where = place(urljoin(where.base, found), self.fetching)
        except (TimeoutError, ValueError):  # `urljoin` raises the latter
            raise Refused("fetch-failed") from None
        raise Refused("fetch-failed")

    async def address(self, where: Place) -> str:
        """The address to connect to; one that is not allowed among them, and there is none."""
        try:
            found = [
                ipaddress.ip_address(one) for one in await self.resolve(where.host, where.port)
            ]
        except (OSError, ValueError, UnicodeError):
            raise Refused("fetch-failed") from None
        if not found:
            raise Refused("fetch-failed")
        if not all(public(one) or self._named(one) for one in found):
            raise Refused("fetching-denied")
        return str(found[0])

    def _named(self, address: Address) -> bool:
        return any(address in one for one in self.networks if one.version == address.version)

    async def _hop(self, where: Place) -> bytes | str:
        """The bytes, or where the next hop would be."""
        address = await self.address(where)
        shown = f"[{address}]" if ":" in address else address
        url = f"{where.scheme}://{shown}:{where.port}{where.path}"
        default = {"http": 80, "https": 443}[where.scheme]
        host = where.host if where.port == default else f"{where.host}:{where.port}"
        headers = {
            "host": host,
            "accept": "image/*",
            "accept-encoding": "identity",
            "user-agent": "sallet",
        }
        try:
            async with (
                httpx.AsyncClient(
                    trust_env=False,
                    verify=self.tls,
                    follow_redirects=False,
                    timeout=self.fetching.seconds,
                ) as client,
                client.stream(
                    "GET", url, headers=headers, extensions={"sni_hostname": where.host}
                ) as reply,
            ):
                if reply.status_code in (301, 302, 303, 307, 308):
                    return reply.headers.get("location", "")
                if (
                    reply.status_code != 200
                    or reply.headers.get("content-encoding", "identity") != "identity"
                ):
                    raise Refused("fetch-failed")
                return await self._body(reply)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise Refused("fetch-failed") from None

    async def _body(self, reply: httpx.Response) -> bytes:
        """No more than the limit, whatever length was announced."""
        said = reply.headers.get("content-length", "")
        if said.isdigit() and int(said) > self.most:
            raise Refused("too-many-bytes")
        data = bytearray()
        async for more in reply.aiter_raw():
            data += more
            if len(data) > self.most:
                raise Refused("too-many-bytes")
        return bytes(data)


def fetcher(fetching: Fetching, most: int) -> Fetch:
    """What fetches within a policy; with no host in it, nothing does."""
    return Fetcher(fetching, most) if fetching.hosts else no_fetching
