"""The canonical stage in front of everything: after it there are only pixels and plain words."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sallet.core.errors import MediaError
from sallet.core.image import Image
from sallet.core.query import Message, Part, Query
from sallet.core.seeds import fresh
from sallet.gateway.chat import Asked, Sent, Turn
from sallet.gateway.live import together
from sallet.gateway.refusals import Refused, of_media
from sallet.gateway.tokens import Neutral
from sallet.gateway.trail import Trail, told
from sallet.media.canonical import Canonical
from sallet.media.limits import Limits, Sees
from sallet.media.worker import Workers

_DATA: Final = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,")
LARGE: Final = 2**18  # characters; what is longer is decoded beside the other requests
Fetch = Callable[[str], Awaitable[bytes]]


async def no_fetching(url: str) -> bytes:
    """Nothing is fetched."""
    raise Refused("fetching-denied")


@dataclass(frozen=True)
class Entrance:
    """How requests to one model server come in."""

    workers: Workers
    neutral: Neutral
    sees: Sees | None = None
    refuse: tuple[str, ...] = ()
    vision: bool = True
    fetch: Fetch = no_fetching
    pixels: int = 128_000_000

    def as_sent(self, asked: Asked, trail: Trail) -> Asked:
        """The request with broken-up tokens and images that nobody looks at, inline ones only."""
        for image in asked.images:
            if not self.vision:
                raise Refused("no-vision")
            if not _DATA.match(image.url, 0, 64):
                raise Refused("bad-image-url")
        words = self._neutral(asked)
        for at, (came, turn) in enumerate(zip(asked.turns, words.turns, strict=True)):
            for raw, part in zip(came.parts, turn.parts, strict=True):
                where: dict[str, Any] = {"turn": at, "role": turn.role}
                noted = told(raw.url, "image-as-sent") if isinstance(raw, Sent) else told(raw)
                trail.parts_in.append({**where, **noted})
                trail.neutralised += part != raw
        return words

    async def admit(self, asked: Asked, trail: Trail) -> Query:
        """The request as a query of canonical images and broken-up tokens, noted part by part."""
        if asked.images and not self.vision:
            raise Refused("no-vision")
        words = self._neutral(asked)
        with trail.stage("canonical") as noted:
            noted["images"] = len(asked.images)
            room = _Room(self.pixels)
            made = await together(*(self._image(one, room) for one in asked.images))
        images = iter(made)
        messages: list[Message] = []
        for at, (came, turn) in enumerate(zip(asked.turns, words.turns, strict=True)):
            parts: list[Part] = []
            for raw, part in zip(came.parts, turn.parts, strict=True):
                where: dict[str, Any] = {"turn": at, "role": turn.role}
                if isinstance(part, Sent):
                    seen, received = next(images)
                    parts.append(seen.image)
                    trail.parts_in.append({**where, "kind": "image", **_noted(seen, received)})
                else:
                    parts.append(part)
                    trail.parts_in.append({**where, **told(str(raw))})
                    trail.neutralised += part != raw
            messages.append(Message(turn.role, tuple(parts), turn.extra))
        settings = words.settings
        return Query(tuple(messages), settings.sampling, settings.extra, defense_seed=fresh())

    async def _image(self, sent: Sent, room: _Room) -> tuple[Canonical, bytes]:
        """One image; also the SHA-256 of its file as it came."""
        data, claimed, received = await self._bytes(sent.url)
        try:
            seen = await asyncio.wrap_future(
                self.workers.submit(data, sees=self.sees, claimed=claimed)
            )
        except MediaError as error:
            raise of_media(error) from None
        room.take(seen)
        if seen.flags.intersection(self.refuse):
            raise Refused("flagged-image")
        return seen, received

    async def _bytes(self, url: str) -> tuple[bytes, str | None, bytes]:
        """The file, the type that it claims, and its digest."""
        if url[:5].lower() == "data:":
            if len(url) < LARGE:
                return inline(url, self.workers.limits)
            return await asyncio.to_thread(inline, url, self.workers.limits)
        data = await self.fetch(url)
        return data, None, hashlib.sha256(data).digest()

    def _neutral(self, asked: Asked) -> Asked:
        def turned(turn: Turn) -> Turn:
            parts = tuple(self.neutral.text(p) if isinstance(p, str) else p for p in turn.parts)
            return replace(turn, parts=parts, extra=self.neutral.everywhere(turn.extra))

        extra = self.neutral.everywhere(asked.settings.extra)
        settings = replace(asked.settings, extra=extra)
        return replace(asked, turns=tuple(turned(t) for t in asked.turns), settings=settings)


@dataclass
class _Room:
    """Pixels that a request may still hold."""

    left: int

    def take(self, seen: Canonical) -> None:
        height, width = seen.image.size
        self.left -= height * width
        if self.left < 0:
            raise Refused("too-many-pixels")


def inline(url: str, limits: Limits) -> tuple[bytes, str, bytes]:
    """The bytes in a data URL, the type that it claims, and their SHA-256.

    It is read strictly, and its length comes first.
    """
    head = _DATA.match(url, 0, 64)
    if head is None:
        raise Refused("bad-image-url")
    if (len(url) - head.end()) // 4 * 3 > limits.encoded + 3:
        raise Refused("too-many-bytes")
    text = url[head.end() :]
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (ValueError, UnicodeError):
        raise Refused("bad-image-url") from None
    last = data[-(len(data) % 3 or 3) :]  # one picture has one text, to its last bit
    if len(text) != -(-len(data) // 3) * 4 or not text.endswith(b2a(last)):
        raise Refused("bad-image-url")
    return data, head[1], hashlib.sha256(data).digest()


def b2a(data: bytes) -> str:
    """Base64 as it must have been."""
    return binascii.b2a_base64(data, newline=False).decode()


def _noted(seen: Canonical, received: bytes) -> dict[str, Any]:
    height, width = seen.image.size
    return {
        "digest": seen.digest,
        "file": received.hex(),
        "format": seen.format,
        "size": [width, height],
        "mode": "RGB",
        "flags": sorted(seen.flags),
    }


def materialised(query: Query) -> Query:
    """The same query with every view of every image made: what is forwarded, to the pixel."""
    return query.map_images(lambda image: image if image.eager else Image(image.pixels()))
