"""A chat completion request, read strictly: turns of text and images that are still to come.

No I/O. Of a message only what is listed here survives; of an image only where its bytes are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import orjson

from sallet.core.query import Role
from sallet.gateway.fields import NAME, Settings, settings
from sallet.gateway.refusals import Refused

ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
MOST_CALLS: Final = 128


@dataclass(frozen=True)
class Sent:
    """An image as it was sent: a URL that nobody has looked at."""

    url: str


Told: TypeAlias = "str | Sent"


@dataclass(frozen=True)
class Turn:
    """A message before its images are canonical."""

    role: Role
    parts: tuple[Told, ...]
    extra: Mapping[str, object]


@dataclass(frozen=True)
class Sizes:
    """How much of a chat is taken."""

    messages: int = 256
    parts: int = 1024
    images: int = 20
    choices: int = 8
    tokens: int = 32_768


@dataclass(frozen=True)
class Asked:
    """A whole request; every text in it is valid Unicode."""

    model: str
    turns: tuple[Turn, ...]
    settings: Settings

    @property
    def images(self) -> tuple[Sent, ...]:
        """Every image of every turn, in order."""
        return tuple(p for turn in self.turns for p in turn.parts if isinstance(p, Sent))

    def noting(self, stripped: tuple[str, ...]) -> Asked:
        """The same of a request in another form, of which these fields are not sent on."""
        return replace(self, settings=replace(self.settings, stripped=stripped))


def loads(data: bytes) -> dict[str, Any]:
    """The JSON object in a body. The parser takes no NaN, no deep nesting, no half characters."""
    try:
        body = orjson.loads(data)
    except ValueError:
        raise Refused("bad-json") from None
    if not isinstance(body, dict):
        raise Refused("bad-json")
    return body


def read(body: Mapping[str, Any], sizes: Sizes) -> Asked:
    """The request in a body, or a `Refused` that names no more than one of our own fields."""
    name = model(body.get("model"))
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("bad-messages")
    if len(messages) > sizes.messages:
        raise Refused("too-many-messages")
    turns = tuple(_turn(message) for message in messages)
    told = settings(body, most_choices=sizes.choices, most_tokens=sizes.tokens)
    return checked(Asked(name, turns, told), sizes)


def model(name: Any) -> str:
    """The name of a model, of a length that a record can hold."""
    if not isinstance(name, str) or not 0 < len(name) <= 512:
        raise Refused("bad-field", field="model")
    return name


def checked(asked: Asked, sizes: Sizes) -> Asked:
    """The same, if it is a chat and no longer than is taken."""
    if not any(turn.role == "user" for turn in asked.turns):
        raise Refused("bad-messages")
    if len(asked.turns) > sizes.messages or sum(len(t.parts) for t in asked.turns) > sizes.parts:
        raise Refused("too-many-messages")
    if len(asked.images) > sizes.images:
        raise Refused("too-many-parts")
    return asked


def _turn(message: Any) -> Turn:
    named = message.get("role") if isinstance(message, dict) else None
    role = ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise Refused("bad-messages")
    parts = tuple(_parts(message.get("content")))
    extra: dict[str, object] = {}
    if message.get("name") is not None:
        extra["name"] = _name(message["name"])
    if role == "assistant":
        if message.get("tool_calls") is not None:
            extra["tool_calls"] = _calls(message["tool_calls"])
        if not parts and isinstance(message.get("refusal"), str):
            parts = (message["refusal"],)
    elif role == "tool":
        extra["tool_call_id"] = _id(message.get("tool_call_id"))
    if not parts and not extra:
        raise Refused("bad-messages")
    return Turn(role, parts, extra)


def _parts(content: Any) -> Iterator[Told]:
    if content is None:
        return
    if isinstance(content, str):
        yield content
        return
    if not isinstance(content, list):
        raise Refused("bad-messages")
    for part in content:
        if not isinstance(part, dict):
            raise Refused("bad-messages")
        yield _part(part)


def _part(part: Mapping[str, Any]) -> Told:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return part["text"]
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return part["refusal"]
    if kind == "image_url":
        where = part.get("image_url")
        url = where.get("url") if isinstance(where, dict) else where
        if not isinstance(url, str):
            raise Refused("bad-image-url")
        return Sent(url)
    raise Refused("unsupported-part")


def _calls(calls: Any) -> list[dict[str, object]]:
    if not isinstance(calls, list) or not 0 < len(calls) <= MOST_CALLS:
        raise Refused("bad-messages")
    return [_call(call) for call in calls]


def _call(call: Any) -> dict[str, object]:
    told = call.get("function") if isinstance(call, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("arguments"), str):
        raise Refused("bad-messages")
    function = {"name": _name(told.get("name")), "arguments": told["arguments"]}
    return {"id": _id(call.get("id")), "type": "function", "function": function}


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Refused("bad-messages")
    return value


def _id(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise Refused("bad-messages")
    return value


def fields(asked: Asked) -> dict[str, object]:
    """The fields of the same request, images as they came."""
    told = asked.settings
    made: dict[str, object] = {"model": asked.model, "messages": [_written(t) for t in asked.turns]}
    made |= {name: value for name, value in told.extra.items() if value is not None}
    if told.sampling.seed is not None:
        made["seed"] = told.sampling.seed
    if told.sampling.stop:
        made["stop"] = list(told.sampling.stop)
    return made


def _written(turn: Turn) -> dict[str, object]:
    parts, content = turn.parts, None
    if len(parts) == 1 and isinstance(parts[0], str):
        content = parts[0]
    elif parts:
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": part.url}}
            for part in parts
        ]
    return {"role": turn.role, "content": content, **turn.extra}
