"""Bytes that a coverage-guided fuzzer makes, through everything that reads a stranger's bytes.

    python fuzz/parsing.py -max_total_time=600 [CORPUS]

A request's JSON and chat, data URLs, URLs to fetch, a model server's events and replies, image
files. Whatever is raised that is no refusal is a crash. Only what is imported here is instrumented.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["sallet.gateway", "sallet.media"]):
    from sallet.core.errors import MediaError
    from sallet.gateway import chat, fetch, messages, policy, received, responses, sections, sse
    from sallet.gateway.admit import inline
    from sallet.gateway.chat import Sizes
    from sallet.gateway.refusals import Refused
    from sallet.gateway.tokens import COMMON, Neutral
    from sallet.media.canonical import canonical
    from sallet.media.limits import MIB, Limits

LIMITS = Limits(encoded=MIB, pixels=250_000, side=2_000, memory=256 * MIB)
FETCHING = sections.Fetching(hosts=("images.example.org",))
NEUTRAL = Neutral(COMMON)


class Rules:
    """As much of a policy as reading a request needs."""

    policy = policy.of({}, "http://127.0.0.1/v1")


def request(data: bytes) -> None:
    """A chat completion request, and its texts without special tokens."""
    body = chat.loads(data)
    for other in (responses, messages):
        with suppress(Refused):
            other.read(dict(body), Rules())  # pyright: ignore[reportArgumentType]
    asked = chat.read(body, Sizes())
    for turn in asked.turns:
        for part in turn.parts:
            if isinstance(part, str):
                text = NEUTRAL.text(part)
                assert not any(token in text for token in COMMON)
            else:
                inline(part.url, LIMITS)
        NEUTRAL.everywhere(turn.extra)


def events(data: bytes) -> None:
    """A model server's stream, in two pieces."""
    parser = sse.Events()
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        for one in parser.feed(piece):
            with suppress(Refused):
                received.chunk(one)
    received.completion(data)


def url(data: bytes) -> None:
    """A URL: one that is taken leads to the named host, however it is read again."""
    text = data.decode(errors="surrogateescape")
    with suppress(Refused):
        assert fetch.place(text, FETCHING).host == "images.example.org"
    inline(text, LIMITS)


def image(data: bytes) -> None:
    """An image file; its canonical form is its own."""
    made = canonical(data, limits=LIMITS)
    height, width = made.image.size
    assert height * width <= LIMITS.pixels


TARGETS = (request, events, url, image)


def one(data: bytes) -> None:
    """The first byte says who reads the others."""
    if data:
        with suppress(Refused, MediaError):
            TARGETS[data[0] % len(TARGETS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
