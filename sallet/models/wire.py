"""OpenAI's chat format: a `Query` to the body of a request, a reply to an `Answer`. No I/O.

Nothing is guessed: a reply without words is an error and never an empty answer, and what the
endpoint calls content is the text, be it thoughts or not. Only thoughts that the endpoint sets
apart (`reasoning_content`, `reasoning`) are reasoning.
"""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Mapping
from typing import Any

from sallet.core.errors import InputError, RemoteError
from sallet.core.image import Image
from sallet.core.query import Answer, Audio, Message, Part, Query, Usage
from sallet.media.encode import encode

EXCERPT = 200
_OURS = ("model", "messages", "stream")
_THOUGHTS = ("reasoning_content", "reasoning")


def body(query: Query, model: str) -> bytes:
    """The JSON of a chat completion request, every image the PNG of its 8-bit pixels."""
    try:
        return json.dumps(fields(query, model), default=_plain, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"this query cannot be written as JSON: {error}") from error


def fields(query: Query, model: str, *, pack: bool = True) -> dict[str, object]:
    """The fields of that request; without `pack`, pictures are longer and made faster.

    Temperature, top-p and the token limit are always sent, so that a server's own defaults do not
    decide. `extra` goes in last and may replace a setting; None leaves the field out, as in
    `{"max_tokens": None, "max_completion_tokens": 64}`.
    """
    taken = [key for key in _OURS if key in query.extra]
    if taken:
        raise InputError(
            f"a query's extra fields may not set {', '.join(taken)}; the model is chosen by "
            "RemoteModel, the messages are the query's own, and the reply comes in one piece"
        )
    sampling = query.sampling
    made: dict[str, object] = {
        "model": model,
        "messages": [_message(message, pack) for message in query.messages],
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        made["seed"] = sampling.seed
    if sampling.stop:
        made["stop"] = list(sampling.stop)
    for key, value in query.extra.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = value
    return made


def answer(reply: object) -> Answer:
    """The first choice of a chat completion; its text loses the white space around it.

    `raw` is the whole reply, as it came. Words under `refusal` are the model's own refusal.
    """
    whole = _table(reply, "the reply")
    if whole.get("error"):
        raise RemoteError("the reply is an error and not a chat completion")
    choices = whole.get("choices")
    if not isinstance(choices, list) or not choices:
        raise RemoteError("the reply has no choices, so it is not a chat completion")
    choice = _table(choices[0], "the reply's first choice")
    message = _table(choice.get("message"), "the reply's message")
    finish = choice.get("finish_reason")
    reasoning = next((t for key in _THOUGHTS if isinstance(t := message.get(key), str) and t), None)
    calls = tuple(_table(call, "a tool call") for call in _list(message.get("tool_calls")))
    refusal = message.get("refusal")
    text = _words(message.get("content"))
    if text is None and isinstance(refusal, str) and refusal:
        text = refusal
    elif text is None and calls:
        text = ""
    if text is None:
        raise RemoteError(_wordless(finish, reasoning))
    return Answer(
        text.strip(),
        refused_by="model" if isinstance(refusal, str) and refusal else None,
        finish=finish if isinstance(finish, str) else "unknown",
        usage=tokens(whole.get("usage")),
        reasoning=reasoning,
        tool_calls=calls,
        raw=whole,
    )


def names(reply: object) -> list[str]:
    """The model names in the reply of `/models`."""
    data = _table(reply, "the reply").get("data")
    if not isinstance(data, list):
        raise RemoteError("the reply has no list `data`, so it is not a list of models")
    return [str(_table(one, "a model in the reply").get("id")) for one in data]


def excerpt(text: str) -> str:
    """The endpoint's own words for what went wrong, or the start of its body: one short line."""
    try:
        said = _complaint(json.loads(text))
    except (ValueError, RecursionError):
        said = None
    line = " ".join((said or text).split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}..."


def _message(message: Message, pack: bool) -> dict[str, object]:
    """One part of text is a plain string, which every endpoint takes; the rest is a list.

    A turn that has only extra fields, such as tool calls, has no content.
    """
    parts, content = message.parts, None
    if len(parts) == 1 and isinstance(parts[0], str):
        content = parts[0]
    elif parts or not message.extra:
        content = [_part(part, pack) for part in parts]
    return {"role": message.role, "content": content, **message.extra}


def _part(part: Part, pack: bool) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Image):
        url = f"data:image/png;base64,{_base64(encode(part, pack=pack))}"
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "input_audio", "input_audio": {"data": _base64(_wav(part)), "format": "wav"}}


def _wav(audio: Audio) -> bytes:
    """A 16-bit WAV file of the samples, channels side by side."""
    samples = audio.wave.detach().float().cpu().clamp(-1, 1).mul(32767).round().short()
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(audio.rate)
        file.writeframes(samples.T.contiguous().numpy().astype("<i2").tobytes())
    return out.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _table(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RemoteError(f"{what} should be a JSON object; it is {_kind(value)}")
    return value


def _list(value: object) -> list[Any]:
    """A list, or none at all for null."""
    if value is None or isinstance(value, list):
        return value or []
    raise RemoteError(f"the message's tool calls should be a list; they are {_kind(value)}")


def _kind(value: object) -> str:
    return "missing" if value is None else f"a JSON {type(value).__name__}"


def _words(content: object) -> str | None:
    """Content as a string, or as a list of parts whose texts are joined; None for null."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        said = [text for text in texts if isinstance(text, str)]
        return "".join(said) if said else None
    raise RemoteError(f"the message's content should be text; it is {_kind(content)}")


def _wordless(finish: object, reasoning: str | None) -> str:
    if reasoning is not None and finish == "length":
        return "the model thought until its token limit and said nothing; raise max_tokens"
    return f"the message has no content and no tool calls (finish reason {finish!r})"


def tokens(usage: object) -> Usage:
    """The tokens that a reply counts; 0 where it does not say."""
    counts = usage if isinstance(usage, dict) else {}
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    return Usage(
        prompt if isinstance(prompt, int) else 0,
        completion if isinstance(completion, int) else 0,
    )


def _complaint(reply: object) -> str | None:
    """What servers put their reason under: `error.message`, `error`, `detail` or `message`."""
    if not isinstance(reply, dict):
        return None
    for key in ("error", "detail", "message"):
        said = reply.get(key)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said:
            return said
    return None
