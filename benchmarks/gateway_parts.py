"""The processes that are measured: a model server, the gateway, LiteLLM's proxy."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

ROOT = Path(__file__).parents[1]
KEY = "sk-only-for-this-benchmark-0123456789"  # both proxies ask for it
DELAY = 0.05  # seconds until the model server's first byte
QUICK = 0.01  # the same of a quick one, before which a proxy's own time is seen with one client
PROMPT = "Look at the picture and at the question before you answer."
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "toy",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a cat"},
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}  # fmt: skip
SAFE = {"name": "safety-prompt", "text": PROMPT}
STACKS: dict[str, dict[str, Any]] = {
    "passthrough": {"images": {"as_sent": True}},
    "passthrough-quick": {"images": {"as_sent": True}},
    "canonical": {"stacks": {"default": [SAFE]}},
    "canonical-336": {"stacks": {"default": [SAFE]}, "side": 336},
    "purifier": {"stacks": {"default": ["codefend-1"]}, "side": 192},
}


async def model_server(scope: Any, receive: Any, send: Any) -> None:
    """Reads a whole request, waits, and says a cat."""
    if scope["type"] != "http":
        return
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"].endswith("/models"):
        await _say(send, b'{"object":"list","data":[{"id":"toy"}]}', b"application/json")
        return
    await asyncio.sleep(float(os.environ["DELAY"]))
    if b'"stream":true' in data.replace(b": ", b":"):
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "toy"}
        told = [{"role": "assistant", "content": "a"}, {"content": " cat"}, {}]
        lines = [
            {**head, "choices": [{"index": 0, "delta": d, "finish_reason": None if d else "stop"}]}
            for d in told
        ]
        body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in lines)
        await _say(send, body + b"data: [DONE]\n\n", b"text/event-stream")
        return
    await _say(send, json.dumps(ANSWER).encode(), b"application/json")


async def _say(send: Any, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@contextmanager
def process(words: list[str], url: str, folder: Path, log: str, **env: str) -> Iterator[Any]:
    """A server that answers at `url` when it is up; gives it and the seconds that took."""
    with (folder / log).open("wb") as file:
        began = time.perf_counter()
        made = subprocess.Popen(
            words,
            cwd=folder,
            stdout=file,
            stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        )
        try:
            while True:
                if made.poll() is not None or time.perf_counter() - began > 180:
                    raise RuntimeError((folder / log).read_text()[-3000:])
                try:
                    if httpx.get(url, trust_env=False, timeout=2).status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield psutil.Process(made.pid), time.perf_counter() - began
        finally:
            made.terminate()
            try:
                made.wait(20)
            except subprocess.TimeoutExpired:
                made.kill()
                made.wait(20)


def memory(one: psutil.Process) -> float:
    """MiB of a process and its children."""
    return sum(p.memory_info().rss for p in (one, *one.children(recursive=True))) / 2**20


def worked(one: psutil.Process) -> float:
    """Milliseconds of processor time that a process and its children took so far."""
    times = [p.cpu_times() for p in (one, *one.children(recursive=True))]
    return sum(t.user + t.system for t in times) * 1e3


@contextmanager
def upstream(folder: Path, name: str) -> Iterator[int]:
    port = free()
    words = [sys.executable, "-m", "uvicorn", "gateway_parts:model_server", "--port", str(port)]
    words += ["--log-level", "error", "--lifespan", "off", "--app-dir", str(ROOT / "benchmarks")]
    delay = QUICK if name.endswith("-quick") else DELAY
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])}
    env["DELAY"] = str(delay)
    with process(words, f"http://127.0.0.1:{port}/v1/models", folder, "up.log", **env):
        yield port


@contextmanager
def gateway(folder: Path, up: int, name: str, facts: dict[str, Any]) -> Iterator[int]:
    port, given = free(), dict(STACKS[name])
    main = {"url": f"http://127.0.0.1:{up}/v1", "side": given.pop("side", None)}
    audit, keys = {"file": f"{name}.jsonl"}, {"env": "GATEWAY_KEYS"}
    whole = {"upstreams": {"main": main}, "audit": audit, "keys": keys, **given}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(whole))
    words = [
        sys.executable,
        "-m",
        "sallet",
        "serve",
        "--policy",
        f"{name}.yaml",
        "--port",
        str(port),
    ]
    env = {"PYTHONPATH": str(ROOT), "GATEWAY_KEYS": f"bench={KEY}"}
    at = f"http://127.0.0.1:{port}/readyz"
    with process(words, at, folder, f"{name}.log", **env) as (one, seconds):
        facts |= {"ready_seconds": seconds, "rest_mib": memory(one), "process": one}
        yield port
        del facts["process"]
        facts["load_mib"] = memory(one)


def batched(port: int) -> tuple[float, float]:
    """Items that went to workers so far, and in how many calls."""
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text

    def total(what: str) -> float:
        found = re.findall(rf"^sallet_batch_items_{what}\{{.*\}} (\S+)$", page, re.M)
        return sum(map(float, found))

    return total("sum"), total("count")


@contextmanager
def litellm(
    program: Path, folder: Path, up: int, name: str, facts: dict[str, Any]
) -> Iterator[int]:
    port = free()
    model = {
        "model_name": "toy",
        "litellm_params": {
            "model": "openai/toy", "api_base": f"http://127.0.0.1:{up}/v1", "api_key": "none",
        },
    }  # fmt: skip
    whole: dict[str, Any] = {"model_list": [model], "litellm_settings": {"telemetry": False}}
    if not name.startswith("passthrough"):
        (folder / "recode.py").write_text((ROOT / "benchmarks/litellm_guardrail.py").read_text())
        told = {"guardrail": "recode.Recode", "mode": "pre_call", "default_on": True}
        whole["guardrails"] = [{"guardrail_name": "recode", "litellm_params": told}]
    (folder / f"litellm-{name}.yaml").write_text(yaml.safe_dump(whole))
    words = [
        str(program),
        "--config",
        f"litellm-{name}.yaml",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    at = f"http://127.0.0.1:{port}/health/liveliness"
    env = {"LITELLM_LOG": "ERROR", "PYTHONPATH": str(folder), "LITELLM_MASTER_KEY": KEY}
    with process(words, at, folder, f"litellm-{name}.log", **env) as (one, seconds):
        facts |= {"ready_seconds": seconds, "rest_mib": memory(one), "process": one}
        yield port
        del facts["process"]
        facts["load_mib"] = memory(one)


def version(program: Path) -> str:
    python = program.with_name("python")
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
