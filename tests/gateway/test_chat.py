"""The unmodified `openai` client through the gateway: what arrives, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest

from tests.gateway.conftest import Guard
from tests.gateway.pictures import part, picture, png
from tests.gateway.upstream import Model
from tests.media.corpus.build import saved


@pytest.fixture
def client(guard: Guard) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{guard.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def said(*parts: Any) -> Any:
    content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]
    return [{"role": "user", "content": content}]


def test_an_answer_comes_through(client: openai.OpenAI, model: Model, guard: Guard):
    reply = client.chat.completions.with_raw_response.create(
        model="toy",
        messages=said("what is this?", part(png())),
        temperature=0.5,
        max_tokens=9,
        seed=3,
    )
    made = reply.parse()
    assert made.choices[0].message.content == "a cat"
    assert made.usage is not None
    assert made.usage.total_tokens == 9
    (body,) = model.bodies
    assert {k: v for k, v in body.items() if k != "messages"} == {
        "model": "toy", "temperature": 0.5, "max_tokens": 9, "seed": 3,
    }  # fmt: skip
    assert np.array_equal(model.images()[0].pixels(), picture())
    record = guard.records()[-1]
    assert record["id"] == reply.headers["x-sallet-request-id"]
    assert record["verdict"] == reply.headers["x-sallet-verdict"] == "passed"
    assert [p["kind"] for p in record["in"]] == ["text", "image"]
    assert [p["digest"] for p in record["out"]] == [p["digest"] for p in record["in"]]


def test_a_stream_comes_through(client: openai.OpenAI, model: Model, guard: Guard):
    model.says = "one two three"
    stream = client.chat.completions.create(
        model="toy", messages=said("count", part(png())), stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "one two three "
    assert chunks[-1].usage is not None
    first, end = guard.records()[-2:]
    assert (first["event"], end["event"], first["id"]) == ("request", "end", end["id"])
    assert end["tokens"] == [7, 2]


def test_several_choices(client: openai.OpenAI):
    made = client.chat.completions.create(model="toy", messages=said("hi"), n=3)
    assert [c.index for c in made.choices] == [0, 1, 2]
    stream = client.chat.completions.create(model="toy", messages=said("hi"), n=2, stream=True)
    assert {c.choices[0].index for c in stream} == {0, 1}


def test_tools_go_there_and_calls_come_back(client: openai.OpenAI, model: Model):
    model.manner = "tools"
    tool: Any = {
        "type": "function",
        "function": {"name": "look", "description": "looks", "parameters": {"type": "object"}},
    }
    made = client.chat.completions.create(
        model="toy", messages=said("look"), tools=[tool], tool_choice="auto"
    )
    calls = made.choices[0].message.tool_calls
    assert calls is not None
    assert model.bodies[0]["tools"] == [tool]
    messages = [
        *said("look"),
        made.choices[0].message.model_dump(exclude_none=True),
        {
            "role": "tool",
            "tool_call_id": calls[0].id,
            "content": said("seen", part(png(1)))[0]["content"],
        },
    ]
    model.manner = "fine"
    client.chat.completions.create(model="toy", messages=messages)
    turns = model.bodies[1]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool"]
    assert turns[1]["content"] is None
    assert turns[1]["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert turns[2]["tool_call_id"] == calls[0].id
    assert np.array_equal(model.images()[0].pixels(), picture(1))


def test_every_image_of_every_turn_is_made_canonical(guard: Guard, model: Model):
    turns = [
        {"role": "user", "content": [part(saved(picture(i), "WEBP", lossless=True), "image/webp")]}
        for i in range(3)
    ]
    assert guard.post({"model": "toy", "messages": turns}).status_code == 200
    for i, image in enumerate(model.images()):
        assert np.array_equal(image.pixels(), picture(i))


def test_models_are_those_that_are_served(client: openai.OpenAI):
    assert [one.id for one in client.models.list()] == ["toy", "other"]


def test_an_error_is_what_the_client_expects(client: openai.OpenAI, model: Model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="toy", messages=said({"type": "video_url"}))
    assert caught.value.code == "unsupported-part"
    assert model.bodies == []
    model.manner = "garbage"
    with pytest.raises(openai.InternalServerError) as broken:
        client.chat.completions.create(model="toy", messages=said("hi"))
    assert broken.value.status_code == 502
    assert "secret" not in str(broken.value)


@pytest.mark.parametrize("manner", ["cut", "bad-chunk"])
def test_a_stream_that_is_cut_is_an_error(
    client: openai.OpenAI, model: Model, manner: Any, guard: Guard
):
    model.manner = manner
    stream = client.chat.completions.create(model="toy", messages=said("hi"), stream=True)
    with pytest.raises(openai.APIError, match="model server"):
        list(stream)
    assert guard.records()[-1]["code"] == "upstream-broken"


def test_a_stream_without_its_end_mark_is_ended(client: openai.OpenAI, model: Model, guard: Guard):
    model.manner = "no-done"
    stream = client.chat.completions.create(model="toy", messages=said("hi"), stream=True)
    assert list(stream)[-1].choices[0].finish_reason == "stop"
    assert guard.records()[-1]["event"] == "end"
    assert guard.records()[-1]["asks"] == 1  # without tokens, which nobody asked for
