"""The other ways to ask: OpenAI's Responses by its own client, and LiteLLM's guardrail contract."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import numpy as np
import openai
import pytest

from sallet.gateway.guardrail import PATH
from sallet.media.canonical import canonical
from tests.gateway.conftest import Guard
from tests.gateway.pictures import data_url, picture, png
from tests.gateway.test_live import POISON, WHITE
from tests.gateway.toys import Checked, Negative, Screen, layer
from tests.gateway.upstream import Model
from tests.media.corpus.build import saved

Start = Callable[..., Guard]


@pytest.fixture
def client(guard: Guard) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{guard.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def told(*urls: str) -> Any:
    content = [{"type": "input_text", "text": "what?"}]
    return [
        {
            "role": "user",
            "content": [*content, *({"type": "input_image", "image_url": u} for u in urls)],
        }
    ]


def test_a_response(client: openai.OpenAI, model: Model):
    made = client.responses.create(
        model="toy", input=told(data_url(png())), instructions="be brief", max_output_tokens=9
    )
    assert made.output_text == "a cat"
    assert made.usage is not None
    assert (made.status, made.usage.total_tokens) == ("completed", 9)
    (body,) = model.bodies
    assert body["messages"][0] == {"role": "system", "content": "be brief"}
    assert body["max_completion_tokens"] == 9
    assert np.array_equal(model.images()[0].pixels(), picture())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("responses", {"input": "hi"}),
        ("messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
    ],
)
def test_fields_that_are_stripped_are_noted(path: str, body: Any, guard: Guard, model: Model):
    more = {"metadata": {"a": "b"}, "chat_template": "{{ x }}"}
    assert guard.post({"model": "toy", **body, **more}, f"/v1/{path}").status_code == 200
    assert not {*more} & {*model.bodies[-1]}
    assert guard.records()[-1]["stripped"] == ["chat_template", "metadata"]


def test_a_response_in_a_stream(client: openai.OpenAI, model: Model, guard: Guard):
    model.says = "one two"
    with client.responses.stream(model="toy", input="count") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "one two "
    assert kinds.count("response.output_text.delta") == 2
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert guard.records()[-1]["event"] == "end"


def test_calls_of_a_response(client: openai.OpenAI, model: Model):
    model.manner = "tools"
    tool: Any = {
        "type": "function",
        "name": "look",
        "parameters": {"type": "object"},
        "strict": False,
    }
    made = client.responses.create(model="toy", input="look", tools=[tool])
    (call,) = [item for item in made.output if item.type == "function_call"]
    assert (call.name, call.arguments) == ("look", "{}")
    model.manner = "fine"
    output: Any = [{"type": "input_image", "image_url": data_url(png(4))}]
    turns: Any = [
        *told(),
        {"type": "function_call", "call_id": call.call_id, "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": call.call_id, "output": output},
    ]
    client.responses.create(model="toy", input=turns)
    assert np.array_equal(model.images()[0].pixels(), picture(4))


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "r"},
        {"conversation": "c"},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1"}]},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        {"input": told("http://169.254.169.254/")},
        {"input": told("file:///etc/passwd")},
        {"input": 7},
        {"instructions": ["x"]},
        {"text": "x"},
    ],
    ids=str,
)
def test_responses_that_cannot_be_guarded(more: Any, guard: Guard, model: Model):
    reply = guard.post({"model": "toy", "input": "hi", **more}, "/v1/responses")
    assert reply.status_code == 400
    assert model.bodies == []


def test_a_refusal_in_a_response(start: Start):
    guard = start(stacks={"default": [layer(Screen)]})
    with openai.OpenAI(base_url=f"{guard.url}/v1", api_key="none") as client:
        made = client.responses.create(model="toy", input=told(data_url(WHITE)))
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "content_filter"


def shown(guard: Guard, *urls: str, **more: Any) -> Any:
    body = {"texts": ["what?"], "images": list(urls), "input_type": "request", "model": "toy"}
    reply = guard.post({**body, **more}, PATH)
    return reply.json() if reply.status_code == 200 else reply.status_code


def test_litellms_guard_leaves_alone_what_is_fine(guard: Guard, model: Model):
    assert shown(guard, data_url(png())) == {"action": "NONE"}
    assert shown(guard, texts=[], images=None) == {"action": "NONE"}
    assert model.bodies == []
    assert shown(guard, input_type="response") == {"action": "NONE"}
    assert guard.records()[-1]["verdict"] == "unguarded"


def test_litellms_guard_repairs_images(start: Start):
    guard = start(stacks={"default": [layer(Negative)]}, litellm={"images": "return"})
    made = shown(guard, data_url(png()), data_url(png(1)), structured_messages=[{"x": 1}])
    assert (made["action"], made["texts"]) == ("GUARDRAIL_INTERVENED", ["what?"])
    for i, url in enumerate(made["images"]):
        seen = canonical(base64.b64decode(url.partition(",")[2])).image.pixels()
        assert np.array_equal(seen, 255 - picture(i))


def test_litellms_guard_blocks_what_litellm_would_forward_unrepaired(start: Start):
    """Its chat handler drops the images of a guard's answer."""
    guard = start(stacks={"default": [layer(Negative)]})
    assert shown(guard, data_url(png()))["action"] == "BLOCKED"
    record = guard.records()[-1]
    assert (record["verdict"], record["code"]) == ("rejected", "not-repaired")
    assert shown(guard)["action"] == "NONE"


def test_litellms_guard_blocks_odd_files_when_it_only_observes(start: Start):
    """The canonical stage always holds, and LiteLLM would forward the file that came."""
    guard = start(stacks={"default": [layer(Negative)]}, mode="observe")
    assert shown(guard, data_url(png() + b"behind the end"))["action"] == "BLOCKED"
    assert shown(guard, data_url(png()))["action"] == "NONE"
    assert guard.records()[-1]["would"] == "repaired"


def test_litellms_guard_makes_odd_files_canonical(start: Start):
    guard = start(litellm={"images": "return"})
    made = shown(guard, data_url(png() + b"behind the end"))
    assert made["action"] == "GUARDRAIL_INTERVENED"
    assert canonical(base64.b64decode(made["images"][0].partition(",")[2])).flags == frozenset()


def test_litellms_guard_blocks(start: Start, model: Model):
    guard = start(stacks={"default": [layer(Screen)]})
    assert shown(guard, data_url(WHITE))["action"] == "BLOCKED"
    made = shown(guard, "http://169.254.169.254/")
    assert (made["action"], made["blocked_reason"][:24]) == ("BLOCKED", "images are not fetched f")
    assert shown(guard, data_url(saved(picture(), "BMP")))["action"] == "BLOCKED"
    assert shown(guard, data_url(POISON)) == 503  # a guard that failed is no verdict
    assert guard.records()[-1]["verdict"] == "failed"


@pytest.mark.parametrize("layers", [["safety-prompt"], [layer(Checked)]], ids=["turn", "answer"])
def test_litellms_guard_fails_where_the_contract_has_no_words(start: Start, layers: Any):
    assert shown(start(stacks={"default": layers}), data_url(png())) == 503


def test_litellms_guard_takes_no_nonsense(guard: Guard):
    assert shown(guard, texts="x") == 400
    assert shown(guard, images=[7]) == 400
    assert shown(guard, model="m" * 513) == 400


@pytest.fixture
def asker(guard: Guard) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=guard.url, api_key="none", max_retries=0) as made:
        yield made


def turn(*seeds: int) -> Any:
    def image(seed: int) -> dict[str, Any]:
        data = base64.b64encode(png(seed)).decode()
        source = {"type": "base64", "media_type": "image/png", "data": data}
        return {"type": "image", "source": source}

    return [{"role": "user", "content": [{"type": "text", "text": "what?"}, *map(image, seeds)]}]


def test_a_message(asker: anthropic.Anthropic, model: Model):
    made = asker.messages.create(
        model="toy", max_tokens=9, messages=turn(0, 1), system="be brief", stop_sequences=["x"]
    )
    (block,) = made.content
    assert block.type == "text"
    assert (block.text, made.stop_reason, made.usage.input_tokens) == ("a cat", "end_turn", 7)
    (body,) = model.bodies
    assert (body["max_tokens"], body["stop"]) == (9, ["x"])
    assert body["messages"][0] == {"role": "system", "content": "be brief"}
    assert np.array_equal(model.images()[1].pixels(), picture(1))


def test_a_message_in_a_stream(asker: anthropic.Anthropic, model: Model, guard: Guard):
    model.says = "one two"
    with asker.messages.stream(model="toy", max_tokens=9, messages=turn(0)) as stream:
        assert "".join(stream.text_stream) == "one two "
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 2)
    assert guard.records()[-1]["event"] == "end"
    model.manner = "cut"
    with (
        pytest.raises(anthropic.APIStatusError, match="model server"),
        asker.messages.stream(model="toy", max_tokens=9, messages=turn(0)) as stream,
    ):
        stream.until_done()


def test_tools_of_a_message(asker: anthropic.Anthropic, model: Model):
    model.manner = "tools"
    tool: Any = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
    made = asker.messages.create(model="toy", max_tokens=9, messages=turn(0), tools=[tool])
    (call,) = made.content
    assert call.type == "tool_use"
    assert (call.name, call.input, made.stop_reason) == ("look", {}, "tool_use")
    model.manner = "fine"
    seen = {"type": "tool_result", "tool_use_id": call.id, "content": turn(4)[0]["content"]}
    turns = [*turn(0), {"role": "assistant", "content": [call.model_dump()]}]
    asker.messages.create(
        model="toy", max_tokens=9, messages=[*turns, {"role": "user", "content": [seen]}]
    )
    assert [t["role"] for t in model.bodies[-1]["messages"]] == ["user", "assistant", "tool"]
    assert np.array_equal(model.images()[-1].pixels(), picture(4))


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "computer_20250124", "name": "x"}]},
        {"tool_choice": {"type": "everything"}},
        {"tool_choice": {"type": ["auto"]}},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}
            ]
        },
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": 7},
        {"system": [{"type": "image"}]},
    ],
    ids=str,
)
def test_messages_that_cannot_be_guarded(more: Any, guard: Guard, model: Model):
    body = {"model": "toy", "max_tokens": 9, "messages": turn(0), **more}
    reply = guard.post(body, "/v1/messages")
    assert (reply.status_code, reply.json()["type"]) == (400, "error")
    assert model.bodies == []


def test_an_error_of_a_message_is_what_its_client_expects(asker: anthropic.Anthropic):
    source: Any = {"type": "url", "url": "http://169.254.169.254/"}
    content: Any = [{"type": "image", "source": source}]
    with pytest.raises(anthropic.BadRequestError, match="not fetched"):
        asker.messages.create(
            model="toy", max_tokens=9, messages=[{"role": "user", "content": content}]
        )
