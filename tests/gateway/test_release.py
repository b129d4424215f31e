"""A streamed answer leaves a sentence at a time, as its defence allows it, and no further."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from sallet.core.guarded import guarded
from sallet.core.query import Answer, Query
from sallet.defenses.self_check import SentenceReview
from tests.gateway.conftest import Guard
from tests.gateway.pictures import part, png
from tests.gateway.upstream import Model

Start = Callable[..., Guard]
FIRST, SECOND = "The first sentence is fine for all.", "This one tells of a knife."
THIRD = "The last one is fine again."
WHOLE = f"{FIRST} {SECOND} {THIRD}"


class Streams:
    """What came of a stream: pieces with the time that they took, and why it ended."""

    def __init__(self, client: openai.OpenAI, **more: Any) -> None:
        self.pieces: list[str] = []
        self.times: list[float] = []
        self.finish: str | None = None
        self.tokens = 0
        content: Any = [{"type": "text", "text": "what is this?"}, part(png())]
        began = time.monotonic()
        for chunk in client.chat.completions.create(
            model="toy", messages=[{"role": "user", "content": content}], stream=True, **more
        ):
            if chunk.usage is not None:
                self.tokens = chunk.usage.total_tokens
            for choice in chunk.choices:
                self.finish = choice.finish_reason or self.finish
                if choice.delta.content:
                    self.pieces.append(choice.delta.content)
                    self.times.append(time.monotonic() - began)


@contextmanager
def client(guard: Guard) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{guard.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def guard(start: Start, model: Model) -> Guard:
    model.says, model.finds = WHOLE, "never said"
    return start(stacks={"default": ["sentence-review", "jpeg"]})


def test_sentences_leave_as_they_are_allowed(guard: Guard, model: Model):
    model.pause = 0.05
    with client(guard) as made:
        seen = Streams(made, stream_options={"include_usage": True})
    assert seen.pieces == [FIRST, f" {SECOND}", f" {THIRD}"]
    assert seen.finish == "stop"
    # The first was there while the model still wrote the others: ten words, 50 ms each.
    assert seen.times[-1] - seen.times[0] > 0.3
    assert seen.tokens == 4 * 9  # of the answer and of three reviews
    answered, *reviews = model.bodies
    assert answered["stream"]
    assert len(reviews) == 3
    for asked, so_far in zip(reviews, (FIRST, f"{FIRST} {SECOND}", WHOLE), strict=True):
        assert so_far in str(asked["messages"])
        assert (so_far == WHOLE) == (THIRD in str(asked["messages"]))
    # The answer and its reviews are asked of the same repaired picture.
    assert len({model.images(i)[0].digest for i in range(4)}) == 1
    begun, ended = guard.records()[-2:]
    assert (begun["event"], ended["event"]) == ("request", "end")
    assert begun["verdict"] == ended["verdict"] == "answered"
    assert [s["did"] for s in ended["stages"] if s["stage"] == "defense:sentence-review"] == (
        ["release"] * 3
    )


def test_after_a_sentence_that_is_withheld_nothing_leaves(guard: Guard, model: Model):
    model.finds, model.pause = "knife", 0.02
    with client(guard) as made:
        seen = Streams(made)
    assert seen.pieces == [FIRST]
    assert seen.finish == "content_filter"
    end = guard.records()[-1]
    assert (end["event"], end["verdict"]) == ("end", "refused")
    assert end["refused_by"] == "defense:sentence-review"
    until = time.monotonic() + 5
    while model.ended < 1:  # the model server is left before it is done
        assert time.monotonic() < until
        time.sleep(0.01)


def test_where_the_first_sentence_is_withheld_there_is_a_refusal(guard: Guard, model: Model):
    model.finds = "first"
    with client(guard) as made:
        seen = Streams(made)
    assert seen.pieces == ["I can't help with that."]
    assert seen.finish == "content_filter"
    assert guard.records()[-1]["verdict"] == "refused"


@pytest.mark.parametrize("finds", ["never said", "knife", "first"])
def test_what_is_released_is_what_the_measured_defence_gives(
    guard: Guard, model: Model, finds: str
):
    model.finds = finds

    class Same:
        name = "same"

        def answer(self, queries: list[Query]) -> list[Answer]:
            texts = [query.user_text for query in queries]
            check = "safe or harmful"
            verdicts = ["harmful." if finds in text else "safe." for text in texts]
            return [
                Answer(v if check in text else WHOLE)
                for v, text in zip(verdicts, texts, strict=True)
            ]

    (offline,) = guarded(Same(), SentenceReview()).answer([Query.ask("what is this?")])
    assert isinstance(offline, Answer)
    with client(guard) as made:
        assert "".join(Streams(made).pieces) == offline.text
        content: Any = [{"type": "text", "text": "what is this?"}, part(png())]
        whole = made.chat.completions.create(
            model="toy", messages=[{"role": "user", "content": content}]
        )
    (choice,) = whole.choices
    assert choice.message.content == offline.text
    assert choice.finish_reason == ("stop" if finds == "never said" else "content_filter")


def test_a_review_that_fails_lets_nothing_more_out(guard: Guard, model: Model):
    model.manner = "cut"
    with client(guard) as made, pytest.raises(openai.APIError):
        Streams(made)
    assert guard.records()[-1]["code"] == "upstream-broken"


def test_with_tools_the_answer_is_withheld_whole(guard: Guard, model: Model):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    with client(guard) as made:
        seen = Streams(made, tools=[tool])
    assert seen.pieces == [WHOLE]
    assert "stream" not in model.bodies[0]


def test_observed_reviews_withhold_nothing(start: Start, model: Model):
    model.says, model.finds = WHOLE, "first"
    guard = start(stacks={"default": ["sentence-review"]}, mode="observe")
    with client(guard) as made:
        assert "".join(Streams(made).pieces).strip() == WHOLE
    record = guard.records()[-1]
    assert (record["verdict"], record["would"]) == ("observed", "refused")


def test_other_dialects_are_released_a_sentence_at_a_time(guard: Guard, model: Model):
    model.finds = "knife"
    with client(guard) as made:
        stream = made.responses.create(model="toy", input="what?", stream=True)
        events = list(stream)
    told = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert told == [FIRST]
    assert events[-1].type == "response.incomplete"
