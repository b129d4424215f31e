"""The sections of a policy, each with its defaults; what is out of range is an error here."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, fields
from typing import Literal

from sallet.core.errors import UnknownName, UsageError
from sallet.gateway.chat import Sizes
from sallet.media.flags import FLAGS
from sallet.media.limits import MIB, Limits

_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")


def above(name: str, value: float | None) -> None:
    """Refuses a number that is not above 0."""
    if value is not None and not value > 0:
        raise UsageError(f"{name} should be above 0; it is {value}")


@dataclass(frozen=True)
class Keys:
    """Who may ask: a file of `id:sha256`, a variable of `id=key,id=key`, or both."""

    file: str | None = None
    env: str | None = None


@dataclass(frozen=True)
class Sizing:
    """How much one request may hold, and how much may wait."""

    body_mib: float = 64
    image_mib: float = 20
    images: int = 20
    image_pixels: int = 64_000_000
    image_side: int = 16_384
    pixels: int = 128_000_000
    bodies_mib: float = 1024
    messages: int = 256
    parts: int = 1024
    choices: int = 8
    tokens: int = 32_768
    body_seconds: float = 30
    decode_seconds: float = 20
    decode_memory_mib: int = 1536
    decode_workers: int = 2
    deadline: float = 180
    stalled_seconds: float = 60
    in_flight: int = 128
    queue: int = 256

    def __post_init__(self) -> None:
        for one in fields(self):
            above(one.name, getattr(self, one.name))
        _ = self.media

    @property
    def media(self) -> Limits:
        """The limits of the canonical stage."""
        return Limits(
            encoded=int(self.image_mib * MIB),
            pixels=self.image_pixels,
            side=self.image_side,
            parts=self.images,
            memory=self.decode_memory_mib * MIB,
            patience=self.decode_seconds,
        )

    @property
    def chat(self) -> Sizes:
        """The limits of the chat itself."""
        return Sizes(self.messages, self.parts, self.images, self.choices, self.tokens)


@dataclass(frozen=True)
class Fetching:
    """Where images may be fetched from: nowhere, if no host is named.

    `networks` are addresses that are allowed although they are not public; `ca` is a file of
    certificates that are trusted beside the well-known ones.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    ports: tuple[int, ...] = (80, 443)
    schemes: tuple[Literal["http", "https"], ...] = ("https",)
    redirects: int = 3
    seconds: float = 10
    ca: str | None = None

    def __post_init__(self) -> None:
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise UsageError(f"hosts has {host!r}; give names such as images.example.org")
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise UsageError(f"networks has {network!r}; give such as 10.1.0.0/16") from None
        above("seconds", self.seconds)


@dataclass(frozen=True)
class Images:
    """Which flags of the canonical stage refuse a request, and where images are fetched from.

    With `as_sent` nobody looks at an image: only for stacks without a defence, and no URL but
    `data:` is let through.
    """

    refuse: tuple[str, ...] = ()
    as_sent: bool = False
    fetch: Fetching = Fetching()

    def __post_init__(self) -> None:
        for flag in self.refuse:
            if flag not in FLAGS:
                raise UnknownName("flag of an image", flag, FLAGS)


@dataclass(frozen=True)
class Batching:
    """How long a worker's items wait for others, and how many go together."""

    wait_ms: float = 5
    items: int = 32
    pixels: int = 24_000_000
    threads: int = 1

    def __post_init__(self) -> None:
        if self.wait_ms < 0 or self.items < 1 or self.pixels < 1 or self.threads < 1:
            raise UsageError("wait_ms is at least 0; items, pixels and threads are at least 1")


@dataclass(frozen=True)
class Auditing:
    """Where the records go. `content` stores raw text and pictures: say so to your users."""

    file: str | None = None
    sqlite: str | None = None
    durable: bool = False
    content: str | None = None


@dataclass(frozen=True)
class Rates:
    """How often a key may ask; `redis` is a URL that several replicas share."""

    requests_per_minute: float | None = None
    burst: int | None = None
    redis: str | None = None

    def __post_init__(self) -> None:
        above("requests_per_minute", self.requests_per_minute)
        above("burst", self.burst)


@dataclass(frozen=True)
class Litellm:
    """What its guardrail gets where images had to be changed: no, or the changed images.

    LiteLLM's own chat handler drops changed images and forwards the ones that came; so they are
    handed over only where the operator knows of a version that puts them in.
    """

    images: Literal["block", "return"] = "block"


@dataclass(frozen=True)
class Console:
    """The live page; it is off without the variable that has its key."""

    key_env: str | None = None
