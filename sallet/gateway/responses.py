"""OpenAI's Responses format on top of a chat completion: requests in, replies and events out.

What a server would have to remember or run itself (earlier responses, files, built-in tools) is
refused: nothing of it could be guarded.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any

import orjson

from sallet.gateway import chat
from sallet.gateway.chat import Asked
from sallet.gateway.fields import stripped
from sallet.gateway.gate import Rules
from sallet.gateway.refusals import Refused
from sallet.gateway.serve import Dialect
from sallet.gateway.sse import chunks, typed

_SAME = ("model", "temperature", "top_p", "parallel_tool_calls", "stream", "top_logprobs")
_STATE = ("previous_response_id", "conversation", "prompt", "background")
_OWN = ("max_output_tokens", "tools", "tool_choice", "text", "reasoning", "instructions", "input")
_KNOWN = frozenset((*_SAME, *_STATE, *_OWN))


def read(body: dict[str, Any], rules: Rules) -> Asked:
    """The request as a chat completion's."""
    for name in _STATE:
        if body.get(name):
            raise Refused("bad-field", field=name)
    made: dict[str, Any] = {name: body[name] for name in _SAME if body.get(name) is not None}
    if body.get("stream"):
        made["stream_options"] = {"include_usage": True}
    if body.get("max_output_tokens") is not None:
        made["max_completion_tokens"] = body["max_output_tokens"]
    if body.get("tools"):
        made["tools"] = [_tool(one) for one in _list(body, "tools")]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and set(choice) == {"type", "name"}:
        choice = {"type": choice["type"], "function": {"name": choice["name"]}}
    if choice is not None:
        made["tool_choice"] = choice
    form = _table(body, "text").get("format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        form = {
            "type": "json_schema",
            "json_schema": {k: v for k, v in form.items() if k != "type"},
        }
    if form is not None:
        made["response_format"] = form
    effort = _table(body, "reasoning").get("effort")
    if effort is not None:
        made["reasoning_effort"] = effort
    said = body.get("instructions")
    if said is not None and not isinstance(said, str):
        raise Refused("bad-field", field="instructions")
    head = [{"role": "system", "content": said}] if said else []
    made["messages"] = [*head, *_messages(body.get("input"))]
    return chat.read(made, rules.policy.limits.chat).noting(stripped(body, _KNOWN))


def _messages(given: Any) -> Iterator[dict[str, Any]]:
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    if not isinstance(given, list):
        raise Refused("bad-messages")
    for item in given:
        if not isinstance(item, dict):
            raise Refused("bad-messages")
        kind = item.get("type", "message")
        if kind == "message":
            yield {"role": item.get("role"), "content": _content(item.get("content"))}
        elif kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
        elif kind == "function_call_output":
            told = {"role": "tool", "tool_call_id": item.get("call_id")}
            yield {**told, "content": _content(item.get("output"))}
        elif kind != "reasoning":  # thoughts of an earlier answer stay behind
            raise Refused("unsupported-part")


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    return [_part(part) for part in content]


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("input_text", "output_text", "text"):
        return {"type": "text", "text": part.get("text")}
    if kind == "refusal":
        return {"type": "refusal", "refusal": part.get("refusal")}
    if kind == "input_image" and part.get("image_url") is not None:
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    raise Refused("unsupported-part")


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise Refused("bad-field", field="tools")
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(body[name], list):
        raise Refused("bad-field", field=name)
    return body[name]


def _table(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise Refused("bad-field", field=name)
    return value


def whole(data: bytes, asked: Asked, id: str) -> bytes:
    """A chat completion as a response."""
    reply = orjson.loads(data)
    choice = reply["choices"][0]
    message, finish = choice["message"], choice.get("finish_reason")
    items: list[dict[str, Any]] = []
    if isinstance(message.get("content"), str) and message["content"]:
        items.append(_said(id, message["content"]))
    items += [_called(one, i) for i, one in enumerate(message.get("tool_calls") or ())]
    return orjson.dumps(_response(asked, id, _status(finish), items, reply.get("usage"), finish))


async def events(coming: AsyncIterator[bytes], asked: Asked, id: str) -> AsyncGenerator[bytes]:
    """The events of a streamed chat completion as those of a response."""
    number = 0

    def told(kind: str, **more: Any) -> bytes:
        nonlocal number
        number += 1
        return typed(kind, sequence_number=number - 1, **more)

    text, calls, usage, finish = "", dict[int, dict[str, Any]](), None, None
    at = {"item_id": f"msg_{id}", "output_index": 0, "content_index": 0}
    begun = False
    async for chunk in chunks(coming):
        usage = chunk.get("usage") or usage
        if not begun:
            begun = True
            empty = _response(asked, id, "in_progress", [], None)
            yield told("response.created", response=empty)
            yield told("response.in_progress", response=empty)
        for choice in chunk.get("choices") or ():
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or {}
            if delta.get("content"):
                if not text:
                    item = {**_said(id, ""), "status": "in_progress", "content": []}
                    yield told("response.output_item.added", output_index=0, item=item)
                    part = {"type": "output_text", "text": "", "annotations": []}
                    yield told("response.content_part.added", **at, part=part)
                text += delta["content"]
                words = {**at, "delta": delta["content"], "logprobs": []}
                yield told("response.output_text.delta", **words)
            for call in delta.get("tool_calls") or ():
                _grow(calls, call)
    items: list[dict[str, Any]] = []
    if text:
        items.append(_said(id, text))
        yield told("response.output_text.done", **at, text=text, logprobs=[])
        yield told("response.content_part.done", **at, part=items[0]["content"][0])
        yield told("response.output_item.done", output_index=0, item=items[0])
    for index, call in sorted(calls.items()):
        item, place = _called(call, index), len(items)
        items.append(item)
        where = {"item_id": item["id"], "output_index": place}
        empty = {**item, "arguments": "", "status": "in_progress"}
        yield told("response.output_item.added", output_index=place, item=empty)
        words = item["arguments"]
        yield told("response.function_call_arguments.delta", **where, delta=words)
        done = {**where, "arguments": words, "name": item["name"]}
        yield told("response.function_call_arguments.done", **done)
        yield told("response.output_item.done", output_index=place, item=item)
    status = _status(finish)
    made = _response(asked, id, status, items, usage, finish)
    yield told(f"response.{status}", response=made)


def _grow(calls: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    """Adds a piece of a streamed call to what is there of it."""
    index = piece.get("index", len(calls))
    function = piece.get("function") or {}
    call = calls.setdefault(index, {"id": "", "function": {"name": "", "arguments": ""}})
    call["id"] = piece.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def _said(id: str, text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    told = {"type": "message", "id": f"msg_{id}", "status": "completed"}
    return {**told, "role": "assistant", "content": [part]}


def _called(call: dict[str, Any], index: int) -> dict[str, Any]:
    function = call.get("function") or {}
    return {
        "type": "function_call",
        "id": f"fc_{index}_{call.get('id', '')}",
        "call_id": call.get("id", ""),
        "name": function.get("name", ""),
        "arguments": function.get("arguments", ""),
        "status": "completed",
    }


def _status(finish: Any) -> str:
    return "incomplete" if finish in ("length", "content_filter") else "completed"


def _response(
    asked: Asked,
    id: str,
    status: str,
    items: list[dict[str, Any]],
    usage: Any,
    finish: Any = None,
) -> dict[str, Any]:
    why = {"length": "max_output_tokens"}.get(str(finish), finish)
    counted = None
    if isinstance(usage, dict):
        counted = {
            "input_tokens": usage.get("prompt_tokens", 0),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.get("completion_tokens", 0),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.get("total_tokens", 0),
        }
    return {
        "id": f"resp_{id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "incomplete_details": {"reason": why} if status == "incomplete" else None,
        "error": None,
        "model": asked.model,
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": counted,
    }


RESPONSES = Dialect(read, whole, events)
