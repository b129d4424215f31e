"""Several processes on one port, by the real command: counted, reloaded and ended together."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import psutil
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sallet.cli.main import run
from sallet.gateway.records import read
from sallet.media.limits import MIB
from tests.gateway.pictures import part, png
from tests.gateway.test_policy import serve
from tests.gateway.test_proof import redis
from tests.gateway.upstream import Model

PATIENCE = 90  # seconds; every process loads all of it


@dataclass
class Crew:
    """A command that runs, what it said so far, and how to ask whoever takes the connection."""

    process: Popen[str]
    folder: Path
    said: list[str]
    url: str = ""

    def wait(self, holding: str, times: int = 1) -> None:
        """Until it has said so often."""
        self.until(lambda: sum(holding in line for line in self.said) >= times, holding)

    def until(self, true: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, f"{what} did not come; said: {self.said}"
            time.sleep(0.02)

    def ask(self, **fields: Any) -> httpx.Response:
        """A request on a connection of its own."""
        content = [{"type": "text", "text": "hi"}, part(png())]
        body = {"model": "toy", "messages": [{"role": "user", "content": content}], **fields}
        return httpx.post(f"{self.url}/chat/completions", json=body, timeout=30, trust_env=False)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "a.jsonl").read_text().splitlines()]

    def both(self) -> set[int]:
        """The processes that answer, once two of them have; every reply has its record."""
        found: set[int] = set()
        end = time.monotonic() + PATIENCE
        while len(found) < 2:
            assert time.monotonic() < end
            reply = self.ask()
            assert reply.status_code == 200
            found.add(self.record(reply)["process"])
        return found

    def record(self, reply: httpx.Response) -> dict[str, Any]:
        id = reply.headers["x-sallet-request-id"]
        (one,) = [record for record in self.records() if record["id"] == id]
        return one

    def metrics(self) -> dict[tuple[str, ...], float]:
        page = httpx.get(self.url.replace("/v1", "/metrics"), trust_env=False).text
        return {
            (one.name, *sorted(one.labels.values())): one.value
            for family in text_string_to_metric_families(page)
            for one in family.samples
        }


@contextmanager
def crew(model: Model, folder: Path, **given: Any) -> Iterator[Crew]:
    limits = {"decode_workers": 1, "decode_memory_mib": 256}
    whole = {"audit": {"file": "a.jsonl"}, "limits": limits, **given}
    (folder / "policy.yaml").write_text(yaml.safe_dump(whole))
    words = ("--policy", "policy.yaml", "--upstream", model.url, "--port", "0", "--workers", "2")
    process = serve(folder, *words)
    made = Crew(process, folder, [])

    def read() -> None:
        assert process.stderr is not None
        made.said.extend(process.stderr)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        made.wait("2 workers")
        (line,) = [line for line in made.said if "ready on" in line]
        made.url = line.split("ready on ")[1].split(",")[0]
        yield made
    finally:
        process.terminate()
        process.wait(60)
        reader.join(20)
        assert process.stderr is not None
        process.stderr.close()


def alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_workers_share_a_port_a_log_and_their_counts(model: Model, tmp_path: Path):
    audit = {"file": "a.jsonl", "sqlite": "a.db"}
    with crew(model, tmp_path, audit=audit) as two:
        first = two.both()
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: two.ask(), range(40)))
        assert {reply.status_code for reply in replies} == {200}
        records = two.records()
        assert {record["process"] for record in records} == first
        assert two.process.pid not in first
        assert psutil.Process(two.process.pid).memory_info().rss < 200 * MIB
        # Whoever is asked, the counts are everybody's.
        for _ in range(6):
            found = two.metrics()
            assert found["sallet_requests_total", "/v1/chat/completions", "200"] == len(records)
            assert found["sallet_stage_seconds_count", "canonical"] == len(records)
        two.until(lambda: two.metrics().get(("sallet_processes",)) == 2, "both in the metrics")
        assert two.metrics()["sallet_ready",] == 1

        # A policy that changes changes for both; a wrong one for none.
        file = tmp_path / "policy.yaml"
        before = file.read_text()
        file.write_text(before + "stacks: {default: [jpg]}\n")
        two.wait("not taken", 2)
        file.write_text(before + "stacks: {default: [safety-prompt]}\n")
        two.wait("holds\n", 2)
        seen: Counter[int] = Counter()
        while len(seen) < 2:
            reply = two.ask()
            assert reply.headers["x-sallet-verdict"] == "changed"
            seen[two.record(reply)["process"]] += 1

        # One that is killed is replaced, by one with the policy that holds; the other goes on.
        file.write_text("stacks: {default: [jpg]}\n")
        two.wait("not taken", 4)
        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        two.wait("another takes its place")
        assert not alive(killed)
        reply = two.ask()
        assert two.record(reply)["process"] in first - {killed}
        two.wait("2 workers", 2)
        second = two.both()
        assert len(second - first) == 1
        assert killed not in second
        assert two.ask().headers["x-sallet-verdict"] == "changed"
        total = len(two.records())
        found = two.metrics()
        assert found["sallet_requests_total", "/v1/chat/completions", "200"] == total

        # At SIGHUP everybody reads again.
        file.write_text(before)
        two.wait("holds\n", 4)
        two.process.send_signal(signal.SIGHUP)
        two.wait("holds\n", 6)

        # What is being served at the end is served to its end.
        model.pause = 1.0
        asked = len(model.bodies)
        with ThreadPoolExecutor(2) as pool:
            last = pool.submit(two.ask)
            two.until(lambda: len(model.bodies) > asked, "the request")
            two.process.terminate()
            assert last.result().status_code == 200
        assert two.process.wait(60) == 0
        assert not any(alive(pid) for pid in second)
    port = int(two.url.rsplit(":", 1)[1].split("/")[0])
    socket.create_server(("127.0.0.1", port)).close()
    records = two.records()
    assert records[-1]["status"] == 200
    assert Counter(r["id"] for r in read(tmp_path / "a.db")) == Counter(r["id"] for r in records)


def test_one_that_stands_still_is_replaced_and_all_end_with_the_first(model: Model, tmp_path: Path):
    limits = {"decode_workers": 1, "decode_memory_mib": 256, "stalled_seconds": 5}
    with crew(model, tmp_path, limits=limits) as two:
        stalled = min(two.both())
        os.kill(stalled, signal.SIGSTOP)
        two.wait("stood still")
        two.wait("2 workers", 2)
        assert not alive(stalled)
        pids = two.both()
        assert stalled not in pids
        two.process.kill()
        two.until(lambda: not any(alive(pid) for pid in pids), "their end")


def test_workers_share_limits_in_redis(model: Model, tmp_path: Path):
    with redis(tmp_path) as port:
        url = f"redis://127.0.0.1:{port}/0"
        rates = {"requests_per_minute": 1, "burst": 5, "redis": url}
        with crew(model, tmp_path, rates=rates) as two:
            statuses = [two.ask().status_code for _ in range(12)]
    assert statuses == [200] * 5 + [429] * 7


def test_workers_do_not_count_clients_apart(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "p.yaml").write_text("clients: {me: {requests_per_minute: 5}}\n")
    words = ["serve", "--policy", str(tmp_path / "p.yaml"), "--upstream", model.url]
    assert run([*words, "--port", "0", "--workers", "2", "--no-probe"]) == 2
    assert "set rates.redis" in capsys.readouterr().err


def test_what_workers_cannot_begin_with_is_said_once(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["serve", "--upstream", model.url, "--no-probe", "--workers"]
    assert run([*words, "0"]) == 2
    assert "workers serve nobody" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run([*words, "2", "--port", str(taken.getsockname()[1])]) == 2
    assert "choose another --port" in capsys.readouterr().err
