"""The live page: for whoever has its key, of what is recorded, with pictures only where stored."""

from __future__ import annotations

import base64
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sallet.core.image import Image
from sallet.gateway.console import Recent, page
from sallet.gateway.trail import Trail
from sallet.media.canonical import canonical
from sallet.media.encode import encode
from tests.gateway.conftest import Guard
from tests.gateway.pictures import part, png
from tests.gateway.toys import Screen, layer

Start = Callable[..., Guard]


def test_the_console_is_off_without_a_key(start: Start, monkeypatch: pytest.MonkeyPatch):
    assert start().http.get("/console").status_code == 404
    monkeypatch.setenv("GW_ADMIN", "an-admins-own-secret")
    guard = start(console={"key_env": "GW_ADMIN"})
    guard.ask("a very secret question", part(png()))
    guard.ask("hi", {"type": "<script>"})
    assert guard.http.get("/console").status_code == 401
    assert guard.http.get("/console", auth=("me", "wrong-wrong-wrong-wrong")).status_code == 401
    page = guard.http.get("/console", auth=("me", "an-admins-own-secret"))
    assert page.status_code == 200
    assert "rejected unsupported-part" in page.text
    assert "secret" not in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert guard.http.get("/metrics").status_code == 401


def test_what_the_page_remembers_is_bounded():
    """A client may send a thousand parts, and a record has a digest for each of them."""
    trail = Trail("/v1/chat/completions", verdict="passed")
    trail.parts_in += [{"turn": i, "digest": "0" * 64} for i in range(1024)]
    trail.stages += [{"stage": "defense:jpeg", "ms": 1.0}] * 1024
    recent = Recent()
    recent.add(trail.record())
    assert len(pickle.dumps(recent.requests[0])) < 4096
    assert "defense:jpeg" in page(recent, {}, ready=True, policy="p")


def test_the_console_shows_what_is_stored_and_nothing_else(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GW_ADMIN", "an-admins-own-secret")
    screen = {"stacks": {"default": [layer(Screen)]}, "console": {"key_env": "GW_ADMIN"}}
    bright = part(encode(Image(np.full((300, 200, 3), 250, np.uint8))))

    def shown(guard: Guard) -> list[Image]:
        assert guard.ask("hi", bright).headers["x-sallet-verdict"] == "refused"
        assert guard.ask("hi", part(b"no picture")).status_code == 400
        page = guard.http.get("/console", auth=("me", "an-admins-own-secret")).text
        found = re.findall(r"<img src='data:image/png;base64,([^']+)'>", page)
        return [canonical(base64.b64decode(one)).image for one in found]

    assert shown(start(**screen)) == []
    kept = {"file": str(tmp_path / "audit.jsonl"), "content": str(tmp_path / "kept")}
    guard = start(**screen, audit=kept)
    (picture,) = shown(guard)
    assert picture.size == (96, 64)
    assert int(picture.pixels().min()) == 250
    for file in (tmp_path / "kept").iterdir():  # whoever stores something else there
        file.write_text("{}")
    assert len(shown(guard)) == 2
