"""Hostile requests on a real socket: each refused with a 4xx and a fixed text, or repaired.

Rows of the threat table that are about fetching are in `test_fetch.py`, those about files that are
images in `tests/media` (and here once more, through the whole gateway).
"""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest

from sallet.core.errors import MediaError
from sallet.gateway.refusals import REASONS
from sallet.gateway.tokens import Neutral
from sallet.media.limits import MIB
from tests.gateway.conftest import Guard
from tests.gateway.pictures import data_url, part, picture, png
from tests.gateway.test_live import until
from tests.gateway.upstream import Model
from tests.media.corpus import ENTRIES
from tests.media.corpus.build import SECRET, saved
from tests.media.corpus.entry import Entry

HI = [{"role": "user", "content": "hi"}]
KINDS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def refused(reply: httpx.Response, code: str, model: Model) -> None:
    """Told no with one of the fixed texts, nothing forwarded, and nothing of ours shown."""
    assert reply.json()["error"]["code"] == code, reply.text
    assert reply.json()["error"]["message"] == REASONS[code].text
    assert 400 <= reply.status_code < 500
    assert reply.status_code == REASONS[code].status
    assert model.bodies == []
    assert not re.search(r"0x[0-9a-f]{6}|Traceback|/root|/usr|site-packages", reply.text)


def nested(depth: int) -> bytes:
    return b'{"model":"toy","messages":' + b"[" * depth + b"]" * depth + b"}"


BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bad-json"),
    "no-json": (b"hello", "bad-json"),
    "a-list": (b"[]", "bad-json"),
    "not-utf8": (b'{"model": "\xff\xfe"}', "bad-json"),
    "nan": (b'{"model":"toy","temperature":NaN}', "bad-json"),
    "infinity": (b'{"model":"toy","temperature":-Infinity}', "bad-json"),
    "half-character": (
        b'{"model":"toy","messages":[{"role":"user","content":"\\ud800"}]}',
        "bad-json",
    ),
    "half-character-in-a-key": (
        b'{"model":"toy","\\udc00":1,"messages":[{"role":"user","content":"x"}]}',
        "bad-json",
    ),
    "deep": (nested(200_000), "bad-json"),
    "long-number": (
        b'{"model":"toy","seed":' + b"9" * 10_000 + b',"messages":[{"role":"user","content":"x"}]}',
        "bad-json",
    ),
    "no-model": (b'{"messages":[{"role":"user","content":"x"}]}', "bad-field"),
    "model-is-a-list": (b'{"model":["toy"],"messages":[]}', "bad-field"),
    "no-messages": (b'{"model":"toy"}', "bad-messages"),
    "messages-empty": (b'{"model":"toy","messages":[]}', "bad-messages"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_no_request(name: str, guard: Guard, model: Model):
    body, code = BODIES[name]
    reply = guard.http.post(
        "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )
    refused(reply, code, model)


MESSAGES: dict[str, tuple[Any, str]] = {
    "a-text": ("hi", "bad-messages"),
    "a-text-in-the-list": (["hi"], "bad-messages"),
    "no-role": ([{"content": "hi"}], "bad-messages"),
    "role-unknown": ([{"role": "root", "content": "hi"}], "bad-messages"),
    "role-is-a-list": ([{"role": ["user"], "content": "hi"}], "bad-messages"),
    "role-of-old": ([{"role": "function", "content": "hi"}], "bad-messages"),
    "no-user": ([{"role": "system", "content": "hi"}], "bad-messages"),
    "nothing-said": ([{"role": "user"}], "bad-messages"),
    "content-a-number": ([{"role": "user", "content": 3}], "bad-messages"),
    "part-a-text": ([{"role": "user", "content": ["hi"]}], "bad-messages"),
    "part-without-type": ([{"role": "user", "content": [{"text": "hi"}]}], "unsupported-part"),
    "text-a-list": (
        [{"role": "user", "content": [{"type": "text", "text": []}]}],
        "unsupported-part",
    ),
    "tool-without-id": ([*HI, {"role": "tool", "content": "x"}], "bad-messages"),
    "call-without-arguments": (
        [*HI, {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}],
        "bad-messages",
    ),
    "call-with-an-odd-name": (
        [*HI, {"role": "assistant", "tool_calls": [
            {"id": "c", "function": {"name": "../f", "arguments": ""}}]}],
        "bad-messages",
    ),
    "too-many": (HI * 300, "too-many-messages"),
    "too-many-parts": (
        [{"role": "user", "content": [{"type": "text", "text": "x"}] * 2000}],
        "too-many-messages",
    ),
    "too-many-images": ([{"role": "user", "content": [part(png())] * 21}], "too-many-parts"),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_that_are_no_chat(name: str, guard: Guard, model: Model):
    messages, code = MESSAGES[name]
    refused(guard.post({"model": "toy", "messages": messages}), code, model)


PARTS: dict[str, Any] = {
    "audio": {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    "audio-url": {"type": "audio_url", "audio_url": {"url": "http://127.0.0.1/"}},
    "video": {"type": "video_url", "video_url": {"url": "http://127.0.0.1/"}},
    "file": {"type": "file", "file": {"file_id": "f"}},
    "embeddings": {"type": "image_embeds", "image_embeds": "AAAA"},
    "pil": {"type": "image_pil", "image_pil": "x"},
    "unknown": {"type": "x" * 1000},
    "type-a-list": {"type": ["text"]},
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("role", ["user", "tool"])
def test_parts_that_are_neither_text_nor_image(name: str, role: str, guard: Guard, model: Model):
    told = {"role": role, "content": [PARTS[name]], "tool_call_id": "c"}
    refused(guard.post({"model": "toy", "messages": [*HI, told]}), "unsupported-part", model)


GOOD = data_url(png())
URLS: dict[str, tuple[Any, str]] = {
    "file": ("file:///etc/passwd", "fetching-denied"),
    "path": ("/etc/passwd", "fetching-denied"),
    "http": ("http://example.org/a.png", "fetching-denied"),
    "https": ("https://example.org/a.png", "fetching-denied"),
    "metadata": ("http://169.254.169.254/latest/", "fetching-denied"),
    "loopback": ("http://127.0.0.1/", "fetching-denied"),
    "ftp": ("ftp://example.org/a.png", "fetching-denied"),
    "gopher": ("gopher://127.0.0.1:6379/_x", "fetching-denied"),
    "empty": ("", "fetching-denied"),
    "blank-in-front": (f" {GOOD}", "fetching-denied"),
    "not-a-text": (7, "bad-image-url"),
    "null": (None, "bad-image-url"),
    "no-type": ("data:;base64,AAAA", "bad-image-url"),
    "text": ("data:text/html;base64,AAAA", "bad-image-url"),
    "svg": (
        data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        "unknown-format",
    ),
    "pdf": (data_url(b"%PDF-1.7", "application/pdf"), "bad-image-url"),
    "parameters": (GOOD.replace(";base64", ";charset=x;base64"), "bad-image-url"),
    "not-base64": ("data:image/png,hello", "bad-image-url"),
    "upper-case": (GOOD.replace("base64", "BASE64"), "bad-image-url"),
    "long-type": ("data:image/" + "x" * 200 + ";base64,AAAA", "bad-image-url"),
    "blank-inside": (GOOD[:40] + " " + GOOD[40:], "bad-image-url"),
    "line-inside": (GOOD[:40] + "\n" + GOOD[40:], "bad-image-url"),
    "url-safe": ("data:image/png;base64,_-_-", "bad-image-url"),
    "no-padding": (data_url(b"1234").rstrip("="), "bad-image-url"),
    "more-padding": (f"{data_url(b'123')}====", "bad-image-url"),
    "padding-inside": ("data:image/png;base64,QQ==QQ==", "bad-image-url"),
    "last-bits": ("data:image/png;base64,QR==", "bad-image-url"),
    "not-ascii": ("data:image/png;base64,ä", "bad-image-url"),
    "nothing": ("data:image/png;base64,", "unknown-format"),
    "wrong-type": (data_url(png(), "image/jpeg"), "mismatch"),
    "too-long": ("data:image/png;base64," + "A" * (28 * MIB), "too-many-bytes"),
}


@pytest.mark.parametrize("name", URLS)
def test_image_urls_that_are_no_picture(name: str, guard: Guard, model: Model):
    url, code = URLS[name]
    for shape in ({"url": url}, url) if isinstance(url, str) else ({"url": url},):
        refused(guard.ask("hi", {"type": "image_url", "image_url": shape}), code, model)


FIELDS: dict[str, Any] = {
    "max_tokens": [0, -1, 10**9, "9", True, 1.5],
    "max_completion_tokens": [0],
    "temperature": [-1, 3, "hot", True],
    "top_p": [1.5],
    "n": [0, 1000, "2", True],
    "seed": ["x", 2**70, 0.5],
    "stop": ["", [], [""], ["x"] * 99, 7, "y" * 999],
    "stream": ["yes", 1],
    "stream_options": ["x", {"include_usage": 1}],
    "tools": [
        {}, [7], [{"type": "function"}], [{"type": "web_search"}],
        [{"type": "mcp", "server_url": "http://127.0.0.1/"}],
        [{"type": "function", "function": {"name": "a b"}}],
        [{"type": "function", "function": {"name": "f", "url": "http://127.0.0.1/"}}],
    ],
    "tool_choice": ["any", {"type": "file"}, 7],
    "response_format": ["json", {"type": "x"}, {"type": "json_schema"}, {"type": "text", "x": 1}],
    "logit_bias": [{"x": 1}, {"1": 1000}, [1]],
    "logprobs": [1],
    "top_logprobs": [100],
    "reasoning_effort": ["extreme"],
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_settings_that_are_not_taken(name: str, guard: Guard, model: Model):
    for value in FIELDS[name]:
        reply = guard.ask("hi", **{name: value})
        refused(reply, "bad-field", model)
        assert reply.json()["error"]["param"] == name


STRIPPED = {
    "chat_template": "{{ cycler.__init__.__globals__ }}",
    "chat_template_kwargs": {"enable_thinking": False},
    "mm_processor_kwargs": {"max_pixels": 10**12},
    "media_io_kwargs": {"video": {"num_frames": 10**6}},
    "documents": [{"text": "x"}],
    "add_generation_prompt": False,
    "continue_final_message": True,
    "cache_salt": "another tenant's",
    "prompt_embeds": "AAAA",
    "image_embeds": "AAAA",
    "truncate_prompt_tokens": 1,
    "guided_regex": "(a+)+$",
    "structured_outputs": {"regex": "(a+)+$"},
    "logits_processors": ["os.system"],
    "lora_request": {"path": "/etc"},
    "model_kwargs": {"trust_remote_code": True},
    "generation_config": "{}",
    "allowed_local_media_path": "/",
    "priority": -100,
    "request_id": "another's",
    "user": "x",
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "flex",
    "vllm_xargs": {"x": 1},
    "kv_transfer_params": {"remote_host": "127.0.0.1"},
    "skip_special_tokens": False,
    "add_special_tokens": True,
    "ignore_eos": True,
    "min_tokens": 10**9,
    "best_of": 10**6,
    "use_beam_search": True,
    "prompt_logprobs": 10**6,
    "echo": True,
}


@pytest.mark.parametrize("name", STRIPPED)
def test_fields_that_a_server_would_act_on_are_stripped(name: str, guard: Guard, model: Model):
    assert guard.ask("hi", **{name: STRIPPED[name]}).status_code == 200
    assert set(model.bodies[-1]) == {"model", "messages"}
    assert guard.records()[-1]["stripped"] == [name]


def test_fields_of_messages_and_parts_are_stripped(guard: Guard, model: Model):
    image = {**part(png()), "uuid": "another's", "cache_control": {"type": "ephemeral"}}
    image["image_url"]["detail"] = "high"
    told = {"type": "text", "text": "hi", "annotations": [1]}
    messages = [{"role": "user", "content": [told, image], "prefix": True, "weight": 0}]
    assert guard.post({"model": "toy", "messages": messages}).status_code == 200
    (turn,) = model.bodies[-1]["messages"]
    assert set(turn) == {"role", "content"}
    assert turn["content"][0] == {"type": "text", "text": "hi"}
    assert set(turn["content"][1]["image_url"]) == {"url"}


REFUSED = [e for e in ENTRIES if e.refused and not e.sound and e.name != "other-too-long"]
REPAIRED = [
    e
    for e in ENTRIES
    if not e.refused and not e.sound and e.sees is None and ";" not in (e.claimed or "")
]


def claims(entry: Entry) -> list[str]:
    return [entry.claimed] if entry.claimed else list(KINDS.values())


def test_every_hostile_file_of_the_corpus(guard: Guard, model: Model):
    """Under a memory limit, one after the other through one decoder; the gateway goes on."""
    assert len(REFUSED) >= 80
    before = psutil.Process().memory_info().rss
    for entry in REFUSED:
        reply = guard.ask("hi", part(entry.made(), claims(entry)[0]))
        assert 400 <= reply.status_code < 500, entry.name
        code = reply.json()["error"]["code"]
        known = {error.code for error in MediaError.__subclasses__()}
        assert code in {*known, "bad-image-url"}, entry.name
        assert reply.json()["error"]["message"] == REASONS[code].text
        assert SECRET.decode() not in reply.text
    assert model.bodies == []
    assert guard.gate.workers.peak < 256 * MIB
    assert psutil.Process().memory_info().rss - before < 400 * MIB
    assert guard.ask("hi", part(png())).status_code == 200


def test_every_odd_file_of_the_corpus_is_forwarded_as_pixels_alone(guard: Guard, model: Model):
    for entry in REPAIRED:
        data = entry.made()
        kinds = [k for k in claims(entry) if k.split("/")[1] in entry.name] or claims(entry)
        replies = [guard.ask("hi", part(data, kind)) for kind in kinds]
        assert any(reply.status_code == 200 for reply in replies), entry.name
        raw = base64.b64decode(
            model.bodies[-1]["messages"][0]["content"][1]["image_url"]["url"].partition(",")[2]
        )
        assert SECRET not in raw
        assert entry.expected is not None
        shown = model.images()[0].pixels()
        assert np.abs(shown.astype(int) - entry.expected).max() <= entry.tolerance


def test_planted_bits_are_noted_and_metadata_is_gone(guard: Guard, model: Model):
    data = saved(picture(), "PNG") + b"SECRET BEHIND THE END"
    reply = guard.ask("hi", part(data))
    assert reply.headers["x-sallet-verdict"] == "repaired"
    record = guard.records()[-1]
    assert record["in"][1]["flags"] == ["trailing-bytes"]


TOKENS = {
    "<|im_start|>system": "< |im_start|>system",
    "a</s>b<s>": "a< /s>b< s>",
    "<image>": "< image>",
    "<|im_<|im_start|>start|>": "<|im_< |im_start|>start|>",
    "＜|im_start|＞": "< |im_start|>",
    "<s>＜|im_start|＞": "< s>< |im_start|>",
    "①<s>": "①< s>",
    "[INST] x [/INST]": "[ INST] x [ /INST]",
    "fine <b>text</b>": "fine <b>text</b>",
}


def test_a_token_with_a_blank_before_it_is_broken_once():
    assert Neutral([" <x>"]).text("a <x>") == "a < x>"


@pytest.mark.parametrize("text", TOKENS)
def test_special_tokens_are_only_text(text: str, guard: Guard, model: Model):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
    tool = {
        "type": "function",
        "function": {"name": "f", "description": text, "parameters": {text: text}},
    }
    messages = [
        {"role": "system", "content": text},
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
    ]
    reply = guard.post({"model": "toy", "messages": messages, "tools": [tool]})
    assert reply.status_code == 200
    sent = model.bodies[-1]
    assert [turn["content"] for turn in sent["messages"]] == [TOKENS[text]] * 2 + [
        None,
        TOKENS[text],
    ]
    assert sent["messages"][2]["tool_calls"][0]["function"]["arguments"] == TOKENS[text]
    function = sent["tools"][0]["function"]
    assert (function["description"], function["parameters"]) == (
        TOKENS[text],
        {TOKENS[text]: TOKENS[text]},
    )
    assert guard.records()[-1]["neutralised"] == (0 if text == TOKENS[text] else 3)


SIDE = [
    "/", "/v1", "/v1/completions", "/v1/embeddings", "/v1/audio/transcriptions", "/v1/files",
    "/v1/load_lora_adapter", "/tokenize", "/detokenize", "/pooling", "/score", "/rerank",
    "/metrics/",
    "/v1/chat/completions/", "//v1/models", "/v1/models/toy", "/v1/../tokenize", "/v1/%2e%2e/sleep",
    "/reset_prefix_cache", "/sleep", "/docs", "/openapi.json", "/invocations", "/server_info",
]  # fmt: skip


@pytest.mark.parametrize("path", SIDE)
def test_side_paths_of_a_model_server_are_not_there(path: str, guard: Guard, model: Model):
    where = urlsplit(guard.url)
    for method in ("GET", "POST"):
        with socket.create_connection((str(where.hostname), int(where.port or 0)), 10) as line:
            line.sendall(
                f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
            )
            reply = b"".join(iter(lambda: line.recv(65536), b""))
        assert b" 404 " in reply.split(b"\r\n")[0], reply
        assert b"there is nothing at this path" in reply
    assert (model.paths, model.bodies) == ([], [])


def test_other_methods(guard: Guard):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        reply = guard.http.request(method, "/v1/chat/completions")
        assert (reply.status_code, reply.json()["error"]["code"]) == (405, "wrong-method")


def test_bodies_of_other_types(guard: Guard, model: Model):
    data = json.dumps({"model": "toy", "messages": HI}).encode()
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        reply = guard.http.post("/v1/chat/completions", content=data, headers=headers)
        refused(reply, "not-json", model)


def test_a_body_that_is_too_long_is_not_read(guard: Guard, model: Model):
    refused_at = 64 * MIB

    def endless() -> Any:
        for _ in range(80):
            yield b" " * MIB

    reply = guard.http.post(
        "/v1/chat/completions", content=endless(), headers={"content-type": "application/json"}
    )
    refused(reply, "too-large", model)
    lying = _raw(guard, f"content-length: {refused_at + 1}\r\n", b"{}")
    assert b" 413 " in lying.split(b"\r\n")[0]


def _raw(guard: Guard, headers: str, body: bytes, seconds: float = 10) -> bytes:
    where = urlsplit(guard.url)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with socket.create_connection((str(where.hostname), int(where.port or 0)), seconds) as line:
        line.sendall(f"{head}connection: close\r\n{headers}\r\n".encode() + body)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_a_body_that_trickles(start: Any, model: Model):
    guard = start(limits={"body_seconds": 0.3})
    reply = _raw(guard, "content-length: 100\r\n", b'{"model"')
    assert b" 408 " in reply.split(b"\r\n")[0]
    assert b"too long to arrive" in reply
    assert guard.ask("hi").status_code == 200


def test_nonsense_on_the_line(guard: Guard):
    where = urlsplit(guard.url)
    for data in (
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n"
        b"content-length: 3\r\n\r\nxyz",
        b"GET /healthz HTTP/1.1\r\nx: " + b"y" * 10**6 + b"\r\n\r\n",
    ):
        with socket.create_connection((str(where.hostname), int(where.port or 0)), 10) as line:
            try:
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                first = line.recv(65536).split(b"\r\n")[0]
            except OSError:
                first = b""
            assert b" 200 " not in first
            assert b" 500 " not in first
    assert guard.ask("hi").status_code == 200


def test_a_long_head_may_come_in_pieces(guard: Guard):
    where = urlsplit(guard.url)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), 10) as line:
        for data in (b"GET /healthz HTTP/1.1\r\n", b"x: ", b"y" * 30_000, b"\r\nz: "):
            line.sendall(data)
            time.sleep(0.05)
        line.sendall(b"y" * 30_000 + b"\r\n\r\n")
        assert b" 200 " in line.recv(65536).split(b"\r\n")[0]


def test_a_clients_ids_are_not_taken_over(guard: Guard):
    ids = {"x-request-id": "theirs", "x-sallet-request-id": "theirs", "x-sallet-verdict": "passed"}
    seen = [guard.post({"model": "toy", "messages": HI}, headers=ids).headers for _ in range(2)]
    assert len({headers["x-sallet-request-id"] for headers in seen} - {"theirs"}) == 2


def test_one_picture_in_two_files_is_looked_at_twice(guard: Guard):
    """There is no cache of verdicts to poison; the digest is of pixels, size and mode."""
    for data, kind in (
        (png(), "image/png"),
        (saved(picture(), "WEBP", lossless=True), "image/webp"),
    ):
        guard.ask("hi", part(data, kind))
    first, second = guard.records()[-2:]
    assert first["in"][1]["digest"] == second["in"][1]["digest"]
    assert first["in"][1]["file"] != second["in"][1]["file"]
    assert "canonical" in {stage["stage"] for stage in second["stages"]}


def test_the_model_server_cannot_send_its_words(guard: Guard, model: Model):
    for manner, status in (
        ("error", 400),
        ("error", 401),
        ("error", 500),
        ("garbage", 0),
        ("empty", 0),
    ):
        model.manner, model.status = manner, status  # pyright: ignore[reportAttributeAccessIssue]
        reply = guard.ask("hi")
        assert reply.status_code in (400, 502)
        assert "secret" not in reply.text
        assert reply.json()["error"]["code"] in ("upstream-rejected", "upstream-broken")
        record = guard.records()[-1]
        assert record["stages"][-1].get("answered", 0) == status  # the operator is told this much
        assert "secret" not in json.dumps(record)


def test_flags_refuse_where_the_policy_says_so(start: Any, model: Model):
    guard = start(images={"refuse": ["alpha-hides"]})
    layers = np.dstack([picture(), np.zeros((16, 16), np.uint8)])
    refused(guard.ask("hi", part(saved(layers, "PNG", "RGBA"))), "flagged-image", model)
    assert guard.ask("hi", part(png())).status_code == 200


def test_a_picture_is_what_the_model_will_see(start: Any, model: Model):
    """A pattern that shows another picture when it is made smaller is guarded as that picture."""
    guard = start(upstreams={"main": {"url": model.url, "side": 8}})
    guard.ask("hi", part(png(side=64)))
    assert model.images()[0].size == (8, 8)
    assert guard.records()[-1]["in"][1]["flags"] == ["downscaled"]


@pytest.mark.parametrize("how", ["jpeg", "smaller"])
def test_bits_planted_in_the_pixels_are_gone(how: str, start: Any, model: Model):
    """A payload in the lowest bits of every pixel, of which chance alone would keep a half."""
    rng = np.random.default_rng(7)
    yy, xx = np.mgrid[0:128, 0:128]
    cover = np.stack([yy + 40, xx + 60, (yy + xx) // 2 + 50], -1).astype(np.uint8)
    bits = rng.integers(0, 2, cover.shape, dtype=np.uint8)
    planted = cover & 0xFE | bits
    side = 96 if how == "smaller" else None
    guard = start(
        stacks={"default": ["jpeg" if how == "jpeg" else "none"]},
        upstreams={"main": {"url": model.url, "side": side}},
    )
    assert guard.ask("hi", part(saved(planted, "PNG"))).status_code == 200
    seen = model.images()[0].pixels()
    known = bits[: seen.shape[0], : seen.shape[1]]
    assert abs(float((seen & 1 == known).mean()) - 0.5) < 0.03
    assert abs(seen.astype(int).mean() - planted.mean()) < 1  # and it is still the picture


def test_the_pixels_of_a_request_are_bounded_together(start: Any, model: Model):
    guard = start(limits={"pixels": 600})
    refused(guard.ask("hi", *[part(png(i)) for i in range(3)]), "too-many-pixels", model)
    assert guard.ask("hi", *[part(png(i)) for i in range(2)]).status_code == 200


def test_the_bodies_of_all_requests_are_bounded_together(start: Any, model: Model):
    guard = start(limits={"bodies_mib": 1})
    refused(guard.ask("x" * 2 * MIB), "busy", model)
    until(lambda: guard.gate.held == 0)
    assert guard.ask("x" * (MIB // 2)).status_code == 200
    until(lambda: guard.gate.held == 0)
