"""The settings that a client may send on, each with the values that are taken. No I/O.

It is a list of what is allowed: chat templates, processor arguments, prompt embeddings, cache
salts and whatever a server learns next are not on it, and never leave here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sallet.core.query import Sampling
from sallet.gateway.refusals import Refused

Check: TypeAlias = Callable[[Any], bool]
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN: Final = re.compile(r"[a-z_]{1,40}")
MOST_SHOWN: Final = 20


@dataclass(frozen=True)
class Settings:
    """How to decode, and what else goes along; `stripped` are names of fields that do not."""

    sampling: Sampling
    extra: Mapping[str, object]
    choices: int = 1
    stream: bool = False
    usage: bool = False
    stripped: tuple[str, ...] = ()


def whole(low: int, high: int) -> Check:
    """A whole number within both bounds."""
    return lambda v: type(v) is int and low <= v <= high


def number(low: float, high: float) -> Check:
    """A number within both bounds, and never NaN."""
    return lambda v: type(v) in (int, float) and math.isfinite(v) and low <= v <= high


def one_of(*values: str) -> Check:
    """One of these words."""
    return lambda v: isinstance(v, str) and v in values


def switch(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def settings(body: Mapping[str, Any], *, most_choices: int, most_tokens: int) -> Settings:
    """The settings of a chat completion request; a wrong value is refused by the field's name."""
    for name, check in _checks(most_choices, most_tokens).items():
        if body.get(name) is not None and not check(body[name]):
            raise Refused("bad-field", field=name)
    extra: dict[str, object] = {name: body[name] for name in _ALONG if body.get(name) is not None}
    # A setting that the client leaves out is the server's to choose.
    extra |= {name: None for name in ("max_tokens", "temperature", "top_p") if name not in extra}
    options = body.get("stream_options") or {}
    stop = body.get("stop")
    return Settings(
        Sampling(
            max_tokens=body.get("max_tokens") or body.get("max_completion_tokens") or 64,
            temperature=_or(body.get("temperature"), 0.0),
            top_p=_or(body.get("top_p"), 1.0),
            seed=body.get("seed"),
            stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        ),
        extra,
        choices=_or(body.get("n"), 1),
        stream=bool(body.get("stream")),
        usage=bool(options.get("include_usage")),
        stripped=stripped(body, _KNOWN),
    )


def stripped(body: Mapping[str, Any], known: frozenset[str]) -> tuple[str, ...]:
    """The names of fields that are not sent on, as far as a log can show them."""
    names = sorted(name for name in body if name not in known)
    shown = tuple(name for name in names if _SHOWN.fullmatch(name))[:MOST_SHOWN]
    return shown if len(shown) == len(names) else (*shown, "...")


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _checks(most_choices: int, most_tokens: int) -> dict[str, Check]:
    return {
        "max_tokens": whole(1, most_tokens),
        "max_completion_tokens": whole(1, most_tokens),
        "temperature": number(0, 2),
        "top_p": number(0, 1),
        "presence_penalty": number(-2, 2),
        "frequency_penalty": number(-2, 2),
        "seed": whole(-(2**63), 2**63 - 1),
        "n": whole(1, most_choices),
        "stop": _stop,
        "stream": switch,
        "stream_options": lambda v: isinstance(v, dict) and switch(v.get("include_usage", False)),
        "tools": _tools,
        "tool_choice": _choice,
        "parallel_tool_calls": switch,
        "response_format": _format,
        "logprobs": switch,
        "top_logprobs": whole(0, 20),
        "logit_bias": _bias,
        "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh"),
    }


# Sent as they came; what decodes goes by `Sampling`.
_ALONG: Final = (
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "reasoning_effort",
)
_KNOWN: Final = frozenset(
    (*_ALONG, "model", "messages", "n", "seed", "stop", "stream", "stream_options")
)


def _stop(value: Any) -> bool:
    given = [value] if isinstance(value, str) else value
    return (
        isinstance(given, list)
        and 1 <= len(given) <= 16
        and all(isinstance(one, str) and 0 < len(one) <= 200 for one in given)
    )


def _tools(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 128 and all(_function(one) for one in value)


def _function(tool: Any) -> bool:
    """A function by its name; nothing that a server would run itself."""
    if not isinstance(tool, dict) or set(tool) != {"type", "function"}:
        return False
    told = tool["function"]
    return (
        tool["type"] == "function"
        and isinstance(told, dict)
        and set(told) <= {"name", "description", "parameters", "strict"}
        and isinstance(told.get("name"), str)
        and NAME.fullmatch(told["name"]) is not None
        and isinstance(told.get("description", ""), str)
        and isinstance(told.get("parameters") or {}, dict)
        and (told.get("strict") is None or switch(told["strict"]))
    )


def _choice(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("none", "auto", "required")
    return (
        isinstance(value, dict)
        and set(value) == {"type", "function"}
        and value["type"] == "function"
        and isinstance(value["function"], dict)
        and set(value["function"]) == {"name"}
        and isinstance(value["function"]["name"], str)
        and NAME.fullmatch(value["function"]["name"]) is not None
    )


def _format(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if value.get("type") in ("text", "json_object"):
        return set(value) == {"type"}
    schema = value.get("json_schema")
    return (
        value.get("type") == "json_schema"
        and set(value) == {"type", "json_schema"}
        and isinstance(schema, dict)
        and set(schema) <= {"name", "description", "schema", "strict"}
        and isinstance(schema.get("name"), str)
    )


def _bias(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 300
        and all(key.isascii() and key.isdigit() and len(key) < 8 for key in value)
        and all(number(-100, 100)(one) for one in value.values())
    )
