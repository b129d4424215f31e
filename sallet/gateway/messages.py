"""Anthropic's Messages format on top of a chat completion: requests in, replies and events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final

import orjson

from sallet.gateway import chat
from sallet.gateway.chat import Asked
from sallet.gateway.fields import stripped
from sallet.gateway.gate import Rules
from sallet.gateway.refusals import REASONS, Refused
from sallet.gateway.serve import Dialect
from sallet.gateway.sse import chunks, typed

_SAME: Final = ("model", "max_tokens", "temperature", "top_p", "stream")
_OWN: Final = ("stop_sequences", "tools", "tool_choice", "system", "messages")
_KNOWN: Final = frozenset((*_SAME, *_OWN))
_ENDS: Final = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_KINDS: Final = {
    400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error",
}  # fmt: skip


def read(body: dict[str, Any], rules: Rules) -> Asked:
    """The request as a chat completion's."""
    made: dict[str, Any] = {name: body[name] for name in _SAME if body.get(name) is not None}
    if body.get("stream"):
        made["stream_options"] = {"include_usage": True}
    if body.get("stop_sequences"):
        made["stop"] = body["stop_sequences"]
    if body.get("tools"):
        made["tools"] = [_tool(one) for one in _list(body["tools"], "tools")]
    if body.get("tool_choice") is not None:
        made["tool_choice"] = _choice(body["tool_choice"])
    head = _system(body.get("system"))
    made["messages"] = [*head, *_messages(_list(body.get("messages"), "messages"))]
    return chat.read(made, rules.policy.limits.chat).noting(stripped(body, _KNOWN))


def _system(system: Any) -> list[dict[str, Any]]:
    if not system:
        return []
    blocks = system if isinstance(system, list) else [{"type": "text", "text": system}]
    return [{"role": "system", "content": [_block(one) for one in blocks]}]


def _messages(given: list[Any]) -> Iterator[dict[str, Any]]:
    for message in given:
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise Refused("bad-messages")
        content = message.get("content")
        if isinstance(content, str):
            yield {"role": message["role"], "content": content}
        elif message["role"] == "user":
            yield from _user(_list(content, "messages"))
        else:
            yield _assistant(_list(content, "messages"))


def _user(blocks: list[Any]) -> Iterator[dict[str, Any]]:
    """Results of tools are turns of their own, and come first, as a chat has them."""
    rest: list[dict[str, Any]] = []
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            inner = block.get("content")
            told = [_block(one) for one in inner] if isinstance(inner, list) else inner or ""
            yield {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": told}
        else:
            rest.append(_block(block))
    if rest:
        yield {"role": "user", "content": rest}


def _assistant(blocks: list[Any]) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "tool_use":
            arguments = orjson.dumps(block.get("input")).decode()
            function = {"name": block.get("name"), "arguments": arguments}
            calls.append({"id": block.get("id"), "type": "function", "function": function})
        elif kind not in (
            "thinking",
            "redacted_thinking",
        ):  # those of an earlier answer stay behind
            said.append(_block(block))
    return {"role": "assistant", "content": said, **({"tool_calls": calls} if calls else {})}


def _block(block: Any) -> dict[str, Any]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text":
        return {"type": "text", "text": block.get("text")}
    source = block.get("source") if kind == "image" else None
    if isinstance(source, dict) and source.get("type") == "base64":
        url = f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": url}}
    if isinstance(source, dict) and source.get("type") == "url":
        return {"type": "image_url", "image_url": {"url": source.get("url")}}
    raise Refused("unsupported-part")


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type", "custom") != "custom":
        raise Refused("bad-field", field="tools")
    function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _choice(choice: Any) -> Any:
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    known = {"auto": "auto", "any": "required", "none": "none"}
    if not isinstance(kind, str) or kind not in known:
        raise Refused("bad-field", field="tool_choice")
    return known[kind]


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refused("bad-messages" if name == "messages" else "bad-field", field=name)
    return value


def whole(data: bytes, asked: Asked, id: str) -> bytes:
    """A chat completion as a message."""
    reply = orjson.loads(data)
    choice = reply["choices"][0]
    said = choice["message"]
    blocks: list[dict[str, Any]] = []
    if isinstance(said.get("content"), str) and said["content"]:
        blocks.append({"type": "text", "text": said["content"]})
    blocks += [_use(call, _arguments(call)) for call in said.get("tool_calls") or ()]
    end = _ended(choice.get("finish_reason"), bool(said.get("tool_calls")))
    return orjson.dumps(_message(asked, id, blocks, end, reply.get("usage")))


async def events(coming: AsyncIterator[bytes], asked: Asked, id: str) -> AsyncGenerator[bytes]:
    """The events of a streamed chat completion as those of a message."""
    usage, finish, begun = None, None, False
    open_block: str | int | None = None  # "text", or the place of a call
    count = 0
    async for chunk in chunks(coming):
        usage = chunk.get("usage") or usage
        if not begun:
            begun = True
            yield typed("message_start", message=_message(asked, id, [], None, None))
        for choice in chunk.get("choices") or ():
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or {}
            pieces: list[tuple[str | int, dict[str, Any], dict[str, Any]]] = []
            if delta.get("content"):
                text = {"type": "text_delta", "text": delta["content"]}
                pieces.append(("text", {"type": "text", "text": ""}, text))
            for call in delta.get("tool_calls") or ():
                arguments = (call.get("function") or {}).get("arguments") or ""
                piece = {"type": "input_json_delta", "partial_json": arguments}
                pieces.append((call.get("index", 0), _use(call, {}), piece))
            for which, block, piece in pieces:
                if which != open_block:
                    if open_block is not None:
                        yield typed("content_block_stop", index=count - 1)
                    yield typed("content_block_start", index=count, content_block=block)
                    open_block, count = which, count + 1
                yield typed("content_block_delta", index=count - 1, delta=piece)
    if open_block is not None:
        yield typed("content_block_stop", index=count - 1)
    end = {"stop_reason": _ended(finish, isinstance(open_block, int)), "stop_sequence": None}
    yield typed("message_delta", delta=end, usage=_counted(usage))
    yield typed("message_stop")


def error(refused: Refused) -> dict[str, Any]:
    """The body of an error, in Anthropic's shape."""
    reason = REASONS[refused.code]
    kind = _KINDS.get(
        reason.status, "invalid_request_error" if reason.status < 500 else "api_error"
    )
    return {"type": "error", "error": {"type": kind, "message": reason.text, "code": refused.code}}


def failed(refused: Refused) -> bytes:
    """The last event of a stream that broke."""
    return typed(**error(refused))


def _use(call: dict[str, Any], given: Any) -> dict[str, Any]:
    name = (call.get("function") or {}).get("name") or ""
    return {"type": "tool_use", "id": call.get("id") or "", "name": name, "input": given}


def _arguments(call: dict[str, Any]) -> Any:
    try:
        return orjson.loads((call.get("function") or {}).get("arguments") or "{}")
    except ValueError:
        raise Refused("upstream-broken") from None


def _ended(finish: Any, calls: bool) -> str:
    return _ENDS.get(str(finish), "tool_use" if calls else "end_turn")


def _message(
    asked: Asked, id: str, blocks: list[dict[str, Any]], end: str | None, usage: Any
) -> dict[str, Any]:
    return {
        "id": f"msg_{id}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": blocks,
        "stop_reason": end,
        "stop_sequence": None,
        "usage": _counted(usage),
    }


def _counted(usage: Any) -> dict[str, int]:
    found = usage if isinstance(usage, dict) else {}
    return {
        "input_tokens": found.get("prompt_tokens", 0),
        "output_tokens": found.get("completion_tokens", 0),
    }


MESSAGES = Dialect(read, whole, events, error, failed)
