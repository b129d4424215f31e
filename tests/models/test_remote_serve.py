"""A checkpoint asked here, and the same folder served by `transformers serve` and asked remotely.

Nobody's own settings enter: greedy, float32, 8-bit pixels. So text, tokens and finish must agree.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from sallet.core.errors import RemoteError
from sallet.core.image import Image
from sallet.core.query import Answer, Failure, Message, Query, Sampling
from sallet.media.encode import encode
from sallet.models.local import HFModel
from sallet.models.remote import RemoteModel
from sallet.world.families import items
from sallet.world.models import path as world_path
from sallet.world.render import render
from tests.models.families import answered, chat, image, varied

WORLD = ("world/llava-strong", "world/qwen3vl-strong", "world/internvl-strong")
PATIENCE = 150.0


@dataclass(frozen=True)
class Served:
    """A folder, the model in it, where it is served, and what to ask of it."""

    folder: str
    url: str
    local: HFModel
    queries: list[Query]
    near: list[Answer]

    def remote(self, **settings: Any) -> RemoteModel:
        return RemoteModel(self.folder, base_url=self.url, **settings)


@contextmanager
def serving(folder: Path, scratch: Path) -> Iterator[str]:
    """`transformers serve FOLDER` offline on a port that was free, ended by its own pid."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (scratch / "hub").mkdir()  # /v1/models lists this folder and fails where there is none
    environment = {
        **os.environ,
        "HF_HOME": str(scratch),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",  # threads that wait for each other are slow beside other work
    }
    program = str(Path(sys.executable).with_name("transformers"))
    settings = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    log = scratch / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [program, "serve", str(folder), *settings],
            env=environment,
            cwd=scratch,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False, timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the server did not come up: {log.read_text(errors='replace')[-2000:]}")


def tiny_queries() -> list[Query]:
    """Pictures of several sizes, words alone, two pictures, a system message, two turns."""
    hostile = image(0).tensor().requires_grad_() + 0.3 / 255
    return [
        *varied(6, max_tokens=8),
        Query.ask("the cat is", max_tokens=8),
        Query.ask(Image(hostile), "what is this?", max_tokens=8),
        replace(chat(), sampling=Sampling(max_tokens=8)),
        Query.ask("what is this?", system="the answer is yes", max_tokens=8).with_turns(
            Message("assistant", ("a red car",)), Message("user", ("and where?", image(3)))
        ),
    ]


def world_queries() -> list[Query]:
    """Scenes and questions of the picture world, with and without a picture or a system."""
    families = ("where", "caption", "reading", "harmful", "licit", "picture", "typographic")
    asked = [item for family in families for item in items(family, 1, seed=7)]
    pictured = [
        Query.ask(Image(render(i.scene)), i.question, system=i.system, max_tokens=48) for i in asked
    ]
    first = Image(render(asked[0].scene))
    return [
        *pictured,
        Query.ask("how do i use a knife?", max_tokens=48),
        Query.ask(first, "what is this?", system="answer in one word.", max_tokens=48),
        pictured[2].with_turns(Message("assistant", ("yes.",)), Message("user", ("what else?",))),
    ]


@pytest.fixture(scope="module", params=["tiny", *WORLD])
def served(
    request: pytest.FixtureRequest,
    folder: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    path, queries = (
        (folder("llava"), tiny_queries())
        if request.param == "tiny"
        else (world_path(request.param), world_queries())
    )
    with serving(path, tmp_path_factory.mktemp("serve")) as url:
        local = HFModel.from_pretrained(path, device="cpu", dtype="float32")
        yield Served(str(path), url, local, queries, answered(local.answer(queries)))


def test_the_remote_and_the_local_model_agree(served: Served) -> None:
    near = served.near
    far = answered(served.remote().answer(served.queries))
    assert len(far) >= 8
    assert [a.text for a in far] == [a.text for a in near]
    assert [a.usage for a in far] == [a.usage for a in near]
    assert [a.finish for a in far] == [a.finish for a in near]
    assert len({a.text for a in far}) > len(far) / 2  # it looks at what it is asked


def test_pixels_arrive(served: Served) -> None:
    """Another picture under the same words changes what the server says, as it does here."""
    query = next(query for query in served.queries if query.images)
    changed = [
        query.map_images(lambda one, shift=shift: one.view(lambda x: (x + shift).clamp(0, 1)))
        for shift in (0.5, -0.5, 0.9)
    ]
    texts = [a.text for a in answered(served.remote().answer(changed))]
    assert texts == [a.text for a in answered(served.local.answer(changed))]
    assert len(set(texts)) > 1


def test_the_openai_client_gets_the_same(served: Served) -> None:
    """What we put on the wire is what the public client would put there, by its answers."""

    def part(one: object) -> dict[str, Any]:
        if not isinstance(one, Image):
            return {"type": "text", "text": one}
        url = f"data:image/png;base64,{base64.b64encode(encode(one)).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    def ask(client: openai.OpenAI, query: Query) -> str:
        messages: Any = [
            {"role": m.role, "content": [part(one) for one in m.parts]} for m in query.messages
        ]
        made = client.chat.completions.create(
            model=served.folder,
            messages=messages,
            temperature=0,
            max_tokens=query.sampling.max_tokens,
        )
        return str(made.choices[0].message.content).strip()

    with openai.OpenAI(base_url=served.url, api_key="none", timeout=60) as client:
        texts = [ask(client, query) for query in served.queries]
    assert texts == [a.text for a in served.near]


def test_the_raw_reply_and_the_names_are_there(served: Served) -> None:
    (answer,) = answered(served.remote().answer(served.queries[:1]))
    assert answer.raw is not None
    assert answer.raw["object"] == "chat.completion"
    assert served.remote().models() == []  # it lists its cache, not a folder


def test_the_servers_own_words_reach_the_failure(served: Served) -> None:
    other = RemoteModel("someone/else", base_url=served.url)
    (result,) = other.answer([Query.ask("hi")])
    assert isinstance(result, Failure)
    assert isinstance(result.error, RemoteError)
    assert "answered 400: Server is pinned to" in str(result.error)
    unknown = Query(Query.ask("hi").messages, extra={"no_such_field": 1})
    good, bad = served.remote().answer([served.queries[0], unknown])
    assert isinstance(good, Answer)
    assert isinstance(bad, Failure)
    assert "no_such_field" in str(bad.error)
