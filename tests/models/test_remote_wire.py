"""The pure parts: a query to JSON, a reply to an answer, when to try again, what is secret."""

from __future__ import annotations

import base64
import io
import json
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from sallet.core.errors import InputError, RemoteError, UsageError
from sallet.core.image import Image
from sallet.core.query import Audio, Message, Query, Usage
from sallet.models import wire
from sallet.models.endpoint import Endpoint
from sallet.models.retry import Backoff, asked_wait, passing

PICTURE = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def body(query: Query) -> dict[str, Any]:
    return json.loads(wire.body(query, "m"))


def reply(**message: object) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


def decoded(part: dict[str, Any]) -> np.ndarray:
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Pil.open(io.BytesIO(base64.b64decode(data))))


def test_settings_are_always_sent_and_words_alone_are_a_plain_string() -> None:
    sent = body(Query.ask("hi", system="be brief", max_tokens=9, temperature=0.5, top_p=0.9))
    assert sent == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
        ],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_seed_and_stop_are_sent_where_they_are_set() -> None:
    sent = body(Query.ask("hi", seed=2**62, stop=("\n", "END")))
    assert (sent["seed"], sent["stop"]) == (2**62, ["\n", "END"])


def test_every_image_of_every_turn_is_sent_lossless_and_in_place() -> None:
    darker = Image(PICTURE).view(lambda seen: seen / 2)
    query = Query.ask("first", Image(PICTURE), "second", Image(PICTURE[:3])).with_turns(
        Message("assistant", ("yes",)), Message("user", (darker, "and this?"))
    )
    first, second, third = body(query)["messages"]
    assert [part["type"] for part in first["content"]] == ["text", "image_url"] * 2
    np.testing.assert_array_equal(decoded(first["content"][1]), PICTURE)
    np.testing.assert_array_equal(decoded(first["content"][3]), PICTURE[:3])
    assert second == {"role": "assistant", "content": "yes"}
    np.testing.assert_array_equal(decoded(third["content"][0]), darker.pixels())


def test_an_attacks_tensor_is_sent_as_its_8_bit_pixels() -> None:
    hostile = Image(torch.full((3, 2, 2), 0.5004, requires_grad=True))
    (message,) = body(Query.ask(hostile, "what is it?"))["messages"]
    assert (decoded(message["content"][0]) == 128).all()


def test_sound_is_sent_as_a_wave_file() -> None:
    samples = torch.tensor([[0.0, 0.5, -1.0], [1.0, 0.0, 2.0]])
    (message,) = body(Query.ask(Audio(samples, 8000), "what is it?"))["messages"]
    sound = message["content"][0]["input_audio"]
    with wave.open(io.BytesIO(base64.b64decode(sound["data"]))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        frames = np.frombuffer(file.readframes(3), "<i2").reshape(3, 2)
    assert sound["format"] == "wav"
    assert frames.T.tolist() == [[0, 16384, -32767], [32767, 0, 32767]]


def test_extra_fields_pass_through_replace_and_leave_out() -> None:
    extra = MappingProxyType(
        {
            "tools": ({"type": "function", "function": MappingProxyType({"name": "f"})},),
            "max_tokens": None,
            "max_completion_tokens": 3,
            "temperature": 1,
        }
    )
    sent = body(replace(Query.ask("hi"), extra=extra))
    assert sent["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert "max_tokens" not in sent
    assert (sent["max_completion_tokens"], sent["temperature"]) == (3, 1)


@pytest.mark.parametrize("key", ["model", "messages", "stream"])
def test_extra_fields_cannot_take_over_the_request(key: str) -> None:
    with pytest.raises(InputError, match=key):
        body(replace(Query.ask("hi"), extra={key: "other"}))


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_hold_is_an_error(value: object) -> None:
    with pytest.raises(InputError, match="JSON"):
        body(replace(Query.ask("hi"), extra={"x": value}))


def test_a_reply_is_read_whole() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    whole = {
        "choices": [
            {
                "message": {
                    "content": " a cat.\n",
                    "reasoning_content": "whiskers",
                    "tool_calls": [call],
                },
                "finish_reason": "length",
            },
            {"message": {"content": "a dog."}},
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }
    answer = wire.answer(whole)
    assert (answer.text, answer.finish, answer.reasoning) == ("a cat.", "length", "whiskers")
    assert answer.tool_calls == (call,)
    assert answer.usage == Usage(12, 3)
    assert answer.raw == whole
    assert answer.refused_by is None


def test_thoughts_are_kept_apart_only_where_the_endpoint_does() -> None:
    assert wire.answer(reply(content="a", reasoning="b")).reasoning == "b"
    inline = wire.answer(reply(content="how to harm </think> fine"))
    assert (inline.text, inline.reasoning) == ("how to harm </think> fine", None)


def test_words_under_refusal_are_the_models_own() -> None:
    answer = wire.answer(reply(content=None, refusal="I can't."))
    assert (answer.text, answer.refused_by) == ("I can't.", "model")


def test_a_tool_call_needs_no_words() -> None:
    answer = wire.answer(reply(content=None, tool_calls=[{"id": "1"}]))
    assert (answer.text, answer.tool_calls) == ("", ({"id": "1"},))


def test_an_empty_string_is_an_answer_and_unknown_stays_unknown() -> None:
    answer = wire.answer({"choices": [{"message": {"content": ""}}], "usage": None})
    assert (answer.text, answer.finish, answer.usage) == ("", "unknown", Usage())
    assert wire.answer(reply(content=[{"type": "text", "text": "a"}, {"text": "b"}])).text == "ab"


@pytest.mark.parametrize(
    ("came", "says"),
    [
        (None, "should be a JSON object; it is missing"),
        ([], "should be a JSON object; it is a JSON list"),
        ({}, "no choices"),
        ({"choices": []}, "no choices"),
        ({"choices": {"0": 1}}, "no choices"),
        ({"choices": ["text"]}, "first choice should be a JSON object"),
        ({"choices": [{}]}, "message should be a JSON object; it is missing"),
        (reply(), "no content"),
        (reply(content=None), "no content"),
        (reply(content=[]), "no content"),
        (reply(content=7), "content should be text"),
        (reply(content="a", tool_calls=3), "tool calls should be a list"),
        (reply(content="a", tool_calls=["f"]), "a tool call should be"),
        ({"error": {"message": "boom"}, **reply(content="a")}, "an error and not"),
        ({"choices": [{"message": {"reasoning": "b"}, "finish_reason": "length"}]}, "max_tokens"),
    ],
)
def test_a_malformed_reply_is_an_error_and_never_an_answer(came: object, says: str) -> None:
    with pytest.raises(RemoteError, match=says):
        wire.answer(came)


def test_model_names() -> None:
    assert wire.names({"data": [{"id": "a"}, {"id": "b"}]}) == ["a", "b"]
    with pytest.raises(RemoteError, match="list of models"):
        wire.names({"models": []})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"error": {"message": "too\\n many"}}', "too many"),
        ('{"error": "busy"}', "busy"),
        ('{"detail": "pinned"}', "pinned"),
        ('{"detail": [1]}', '{"detail": [1]}'),
        ("<html>\n <b>Bad</b>", "<html> <b>Bad</b>"),
        ("\x1b[31mred", "?[31mred"),
        ("[" * 100_000, "[" * wire.EXCERPT + "..."),
    ],
)
def test_an_excerpt_is_one_short_printable_line(text: str, line: str) -> None:
    assert wire.excerpt(text) == line


def test_waits_double_up_to_a_limit_and_end() -> None:
    backoff = Backoff(retries=4, first=1, longest=5)
    waits = [backoff.wait(n, asked=None, chance=c) for n in range(1, 6) for c in (0.0, 1.0)]
    assert waits == [0.5, 1, 1, 2, 2, 4, 2.5, 5, None, None]


def test_a_wait_is_never_shorter_than_asked_for() -> None:
    assert Backoff(first=1).wait(1, asked=9, chance=0) == 9
    assert Backoff(first=1).wait(3, asked=0.1, chance=1) == 4
    assert Backoff(retries=0).wait(1, asked=9, chance=0) is None


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3),
        ("1.5", 1.5),
        ("-2", 0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Thu, 01 Jan 2026 00:00:07 GMT", 7),
        ("Thu, 01 Jan 2026 00:00:07 -0000", 7),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert asked_wait(header, NOW) == seconds
    assert asked_wait(header, NOW.astimezone(tz=None) + timedelta(0)) == seconds


def test_what_may_pass() -> None:
    tried = [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529]
    assert [s for s in tried if passing(s)] == [408, 409, 429, 500, 502, 503, 529]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://api.localhost/v1", True),
        ("http://127.8.0.1/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://0.0.0.0:80/v1", True),
        ("https://localhost.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_this_machine_is_known(url: str, here: bool) -> None:
    assert Endpoint.of(url, "", {}).is_here is here


def test_paths_are_put_below_the_base_and_its_query_is_kept() -> None:
    for base in ("http://h/v1", "http://h/v1/"):
        assert str(Endpoint.of(base, "", {}).to("models")) == "http://h/v1/models"
    azure = Endpoint.of("https://h/openai/deployments/x?api-version=3", "", {})
    assert str(azure.to("chat/completions")).endswith("/x/chat/completions?api-version=3")


def test_secrets_are_blotted_out_and_short_values_are_none() -> None:
    endpoint = Endpoint.of(
        "https://me:pass@h:8/v1?token=abcdef", " sk-123456\n", {"X-Org": "org-77777", "X-A": "a"}
    )
    assert endpoint.headers["authorization"] == "Bearer sk-123456"
    assert endpoint.clean("a sk-123456 and org-77777") == "a *** and ***"
    assert repr(endpoint) == "https://h:8/v1"


@pytest.mark.parametrize("url", [None, "", "localhost:8000/v1", "ftp://h/v1", "http://"])
def test_a_base_url_that_is_none_says_what_to_give(url: str | None) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:8000/v1"):
        Endpoint.of(url, "", {})


@pytest.mark.parametrize("key", ["sk-first\nsk-second", "sk-ключ"])
def test_a_key_that_http_cannot_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(UsageError, match="the API key has characters") as caught:
        Endpoint.of("http://h/v1", key, {})
    assert "sk-" not in str(caught.value)
