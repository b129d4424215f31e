"""A model server's replies are read only in the shape that they should have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sallet.core.query import Usage
from sallet.gateway import received
from sallet.gateway.refusals import Refused
from tests.gateway.upstream import reply

CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}


def piece(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def test_a_chunk_says_what_it_ends_and_counts():
    ends = {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}], "error": None}
    assert received.chunk(json.dumps(ends).encode()) == received.Chunk(frozenset({1}), None)
    counts = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    assert received.chunk(json.dumps(counts).encode()).usage == Usage(7, 2)
    for fine in (piece(), piece(content=None), piece(content="a"), piece(tool_calls=[CALL])):
        assert not received.chunk(json.dumps(fine).encode()).ended


ODD: list[Any] = [
    [],
    "words",
    {"choices": 5},
    {"choices": ["a"]},
    {"choices": [{"index": []}]},
    {"choices": [{"index": None}]},
    {"choices": [{"delta": "a"}]},
    piece(content=["a"]),
    piece(tool_calls={"a": 1}),
    piece(tool_calls=["a"]),
    piece(tool_calls=[{**CALL, "index": "0"}]),
    piece(tool_calls=[{**CALL, "function": "f"}]),
    piece(tool_calls=[{**CALL, "function": {"arguments": {"a": 1}}}]),
    {"error": {"message": "secret"}},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_what_is_no_chunk(odd: Any):
    with pytest.raises(Refused) as caught:
        received.chunk(json.dumps(odd).encode())
    assert caught.value.code == "upstream-broken"


WORDLESS: list[Any] = [
    {"tool_calls": "a"}, {"tool_calls": [{"id": 5}]}, {"tool_calls": [["a"]]}, "a", None,
]  # fmt: skip


@pytest.mark.parametrize("odd", WORDLESS, ids=str)
def test_what_is_no_completion(odd: Any):
    whole = reply("a cat")
    assert received.completion(json.dumps(whole).encode()) == whole
    whole["choices"][0]["message"] = odd
    with pytest.raises(Refused) as caught:
        received.completion(json.dumps(whole).encode())
    assert caught.value.code == "upstream-broken"
