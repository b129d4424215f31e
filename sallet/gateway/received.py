"""What a model server sends, whole or in chunks: refused unless it has the shape that is read here.

No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sallet.core.query import Usage
from sallet.gateway.refusals import Refused
from sallet.models import wire


@dataclass(frozen=True)
class Chunk:
    """Which choices a chunk ends, and the tokens that it counts, if it does."""

    ended: frozenset[int]
    usage: Usage | None


def completion(data: bytes) -> dict[str, Any]:
    """A whole chat completion, with at least one choice."""
    reply = _table(data)
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or reply.get("error"):
        raise Refused("upstream-broken")
    for choice in choices:
        if not isinstance(choice, dict) or not _is_message(choice.get("message")):
            raise Refused("upstream-broken")
    return reply


def chunk(data: bytes) -> Chunk:
    """One event of a streamed chat completion."""
    found = _table(data)
    choices = found.get("choices") or []
    if found.get("error") or not isinstance(choices, list) or not all(map(_is_piece, choices)):
        raise Refused("upstream-broken")
    ended = (choice.get("index", 0) for choice in choices if choice.get("finish_reason"))
    return Chunk(frozenset(ended), wire.tokens(found["usage"]) if found.get("usage") else None)


def _table(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except ValueError:
        raise Refused("upstream-broken") from None
    if not isinstance(found, dict):
        raise Refused("upstream-broken")
    return found


def _is_piece(choice: Any) -> bool:
    if not isinstance(choice, dict) or type(choice.get("index", 0)) is not int:
        return False
    delta = choice.get("delta") or {}
    return _is_message(delta) and isinstance(delta.get("content") or "", str)


def _is_message(message: Any) -> bool:
    calls = (message.get("tool_calls") or []) if isinstance(message, dict) else None
    return isinstance(calls, list) and all(map(_is_call, calls))


def _is_call(call: Any) -> bool:
    """Whether it is a call of a function, or a piece of one."""
    if not isinstance(call, dict) or type(call.get("index", 0)) is not int:
        return False
    function = call.get("function") or {}
    return isinstance(function, dict) and all(
        isinstance(value or "", str)
        for value in (call.get("id"), function.get("name"), function.get("arguments"))
    )
