"""A hub name costs one question: each run here is a process of its own, with a hub of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sallet.world.models import path
from tests.core.toys import picture

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"
NAME = "someone/some-vlm"
COMMIT = "0" * 40


@contextmanager
def hub(code: str, status: int) -> Iterator[tuple[str, list[str]]]:
    """A hub that answers everything alike, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:  # the name that http.server calls
            asked.append(self.path)
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def attacked(
    folder: Path, endpoint: str, *more: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """What the command says, and its seconds."""
    from PIL import Image

    Image.fromarray(picture(0, 32).pixels()).save(folder / "a.png")
    words = ["attack", "a.png", "--ask", "what is this ?", "--stop-saying", "--steps", "1", *more]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
        "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "sallet", *words], cwd=folder, env=environment, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    return done, time.monotonic() - began


def test_without_a_network_one_line_says_so_at_once(tmp_path: Path):
    done, seconds = attacked(tmp_path, NOBODY, "--model", NAME)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{NAME} is no folder here; expected a checkpoint's folder or a hub name" in line
    assert "cannot be reached" in line
    assert "give a folder" in line
    assert seconds < 20  # most of it is the start; five attempts took 23 seconds alone


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("RepoNotFound", 404, "the hub gives none of that name"),
        ("GatedRepo", 403, "accept its licence"),
        ("EntryNotFound", 404, "has no config.json"),
    ],
)
def test_a_name_that_the_hub_does_not_give_is_wrong_usage(
    tmp_path: Path, code: str, status: int, said: str
):
    with hub(code, status) as (endpoint, asked):
        done, _ = attacked(tmp_path, endpoint, "--model", NAME)
    assert (done.returncode, len(asked)) == (2, 1)
    (line,) = done.stderr.splitlines()
    assert said in line


def test_what_was_fetched_before_needs_no_network(tmp_path: Path):
    kept = tmp_path / "home" / "hub" / f"models--{NAME.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT)
    shutil.copytree(path("world/llava-strong"), kept / "snapshots" / COMMIT)
    done, _ = attacked(tmp_path, NOBODY, "--model", NAME)
    assert done.returncode == 0, done.stderr
    assert "Retrying" not in done.stderr
    assert COMMIT in (tmp_path / "hostile" / "a.json").read_text()
