"""What a client gets where a defence has written, chosen or withheld the answer. No I/O."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sallet.core.query import Answer, Usage
from sallet.gateway.refusals import REASONS, Refused


def error(refused: Refused) -> dict[str, Any]:
    """The body of an error, in OpenAI's shape."""
    reason = REASONS[refused.code]
    kind = "invalid_request_error" if 400 <= reason.status < 500 else "server_error"
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(reason.status, kind)
    told = {"message": reason.text, "type": kind, "param": refused.field, "code": refused.code}
    return {"error": told}


def completion(id: str, model: str, answers: Sequence[Answer], usage: Usage) -> dict[str, Any]:
    """A chat completion with a choice for each answer."""
    return {
        "id": f"chatcmpl-{id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": i,
                "message": {"role": "assistant", "content": answer.text, **_more(answer)},
                "finish_reason": finish(answer),
                "logprobs": None,
            }
            for i, answer in enumerate(answers)
        ],
        "usage": counted(usage),
    }


def chunks(
    id: str, model: str, answers: Sequence[Answer], usage: Usage | None
) -> Iterator[dict[str, Any]]:
    """The same in pieces, as a stream would have them; with `usage` if it was asked for."""
    for i, answer in enumerate(answers):
        told: dict[str, Any] = {"role": "assistant", "content": answer.text, **_more(answer)}
        for at, call in enumerate(told.get("tool_calls", ())):
            call["index"] = at
        yield piece(id, model, told, index=i)
        yield piece(id, model, {}, finish(answer), index=i)
    if usage is not None:
        yield last(id, model, usage)


def piece(
    id: str, model: str, delta: dict[str, Any], finish: str | None = None, *, index: int = 0
) -> dict[str, Any]:
    """One chunk of a stream."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {**_head(id, model), "choices": [choice]}


def last(id: str, model: str, usage: Usage) -> dict[str, Any]:
    """The chunk with what it took."""
    return {**_head(id, model), "choices": [], "usage": counted(usage)}


def finish(answer: Answer) -> str:
    """Why it ended; a defence's own words say that it was a filter."""
    if answer.refused_by is not None and answer.refused_by.startswith("defense:"):
        return "content_filter"
    return answer.finish


def counted(usage: Usage) -> dict[str, int]:
    """Tokens, of everything that was asked for this answer."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }


def _head(id: str, model: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }


def _more(answer: Answer) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if answer.tool_calls:
        more["tool_calls"] = [dict(call) for call in answer.tool_calls]
    if answer.reasoning is not None:
        more["reasoning_content"] = answer.reasoning
    return more
