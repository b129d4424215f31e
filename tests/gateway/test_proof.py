"""Every response has its record, whatever fails; and what fails comes back without a restart."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sallet.cli.main import run
from sallet.core.errors import UsageError
from sallet.gateway.audit import Audit
from sallet.gateway.records import Wanted, read, summed
from sallet.gateway.sections import Auditing
from sallet.gateway.trail import VERDICTS
from tests.gateway.conftest import Guard
from tests.gateway.pictures import part, png
from tests.gateway.upstream import Model

Start = Callable[..., Guard]


def test_the_record_says_what_was_looked_at_and_not_what_it_was(guard: Guard):
    guard.ask("a very secret question", part(png()))
    record = guard.records()[-1]
    assert "secret" not in json.dumps(record)
    assert record["verdict"] in VERDICTS
    image = record["in"][1]
    assert image["size"] == [16, 16]
    assert image["mode"] == "RGB"
    assert len(image["digest"]) == len(image["file"]) == 64
    assert [stage["stage"] for stage in record["stages"]] == [
        "canonical", "defense:none", "encode", "upstream",
    ]  # fmt: skip
    assert record["ms"] >= sum(stage["ms"] for stage in record["stages"])
    assert oct(guard.log.stat().st_mode & 0o777) == "0o600"


def test_records_of_many_at_once_are_whole(start: Start, tmp_path: Path):
    guard = start(audit={"file": str(tmp_path / "audit.jsonl"), "sqlite": str(tmp_path / "a.db")})
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: guard.ask("hi").headers["x-sallet-request-id"], range(64)))
    assert Counter(r["id"] for r in guard.records()) == Counter(ids)
    assert list(read(tmp_path / "a.db")) == guard.records()


def test_without_a_record_there_is_no_answer(start: Start, model: Model, tmp_path: Path):
    """A disk that is full, and has room again."""
    log = tmp_path / "audit.jsonl"
    log.symlink_to("/dev/full")
    guard = start()
    reply = guard.ask("hi")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "audit-failed")
    assert "a cat" not in reply.text
    assert guard.http.get("/readyz").status_code == 503
    asked = len(model.bodies)
    assert guard.ask("hi", stream=True).status_code == 503
    assert len(model.bodies) == asked  # once it is known, nobody is asked for nothing
    log.unlink()
    assert guard.ask("hi").status_code == 200
    assert guard.http.get("/readyz").status_code == 200
    assert [r["event"] for r in guard.records()] == ["again", "request"]


def test_a_line_that_is_torn_is_taken_back(tmp_path: Path):
    import asyncio
    import resource

    log = tmp_path / "a.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def both() -> list[object]:
        audit = Audit(Auditing(file=str(log)))
        await audit.write({"event": "request", "n": 1})
        size = log.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
        try:
            failed = await asyncio.gather(audit.write({"x": "y" * 100}), return_exceptions=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await audit.write({"event": "request", "n": 2})
        audit.close()
        return failed

    (failed,) = asyncio.run(both())
    assert str(failed).startswith("the record of this request could not be written")
    assert [json.loads(line).get("n") for line in log.read_text().splitlines()] == [1, 2]


def test_two_writers_share_a_file(tmp_path: Path):
    import asyncio

    async def both() -> None:
        audits = [Audit(Auditing(file=str(tmp_path / "a.jsonl"))) for _ in range(2)]
        for start in range(0, 200, 10):
            jobs = [
                a.write({"n": n, "x": "y" * 999}) for a in audits for n in range(start, start + 10)
            ]
            await asyncio.gather(*jobs)
        for audit in audits:
            audit.close()

    asyncio.run(both())
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["n"] for line in lines) == dict.fromkeys(range(200), 2)


def test_an_audit_that_cannot_begin_is_an_error_at_the_start(tmp_path: Path):
    with pytest.raises(UsageError, match="audit cannot be written"):
        Audit(Auditing(file=str(tmp_path / "no" / "a.jsonl")))


def test_a_log_that_was_rotated_is_begun_anew(guard: Guard):
    guard.ask("hi")
    guard.log.rename(guard.log.with_suffix(".1"))
    guard.ask("hi")
    assert len(guard.records()) == 1


def test_a_model_server_that_comes_and_goes(start: Start, model: Model):
    guard = start()
    for manner, status in (("garbage", 502), ("cut", 502), ("empty", 502), ("fine", 200)):
        model.manner = manner  # pyright: ignore[reportAttributeAccessIssue]
        assert guard.ask("hi").status_code == status
    model.manner, model.status = "error", 429
    assert guard.ask("hi").status_code == 429
    nobody = start(upstreams={"main": {"url": "http://127.0.0.1:9/v1"}})
    reply = nobody.ask("hi")
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream-down")
    assert nobody.http.get("/v1/models").json()["data"] == []


def test_a_decoder_that_is_killed_is_replaced(start: Start):
    guard = start()
    for _ in range(3):
        for pid in guard.gate.workers.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert guard.ask("hi", part(png())).status_code == 200


def test_every_response_of_a_bad_day_has_its_record(start: Start, model: Model):
    """Half a thousand requests with faults among them; none is answered that was not looked at."""
    guard = start(stacks={"default": ["jpeg"]}, batching={"wait_ms": 1})
    rng = random.Random(5)
    faults = ["garbage", "cut", "empty", "error"]

    def one(index: int) -> httpx.Response:
        model.manner = faults[index % 4] if rng.random() < 0.02 else "fine"  # pyright: ignore
        if rng.random() < 0.01:
            for pid in guard.gate.workers.pids:
                os.kill(pid, signal.SIGKILL)
        return guard.ask("hi", part(png(index)), stream=index % 5 == 0)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(one, range(500)))
    last = {record["id"]: record for record in guard.records()}
    assert {reply.headers["x-sallet-request-id"] for reply in replies} == set(last)
    for reply in replies:
        record = last[reply.headers["x-sallet-request-id"]]
        assert record["status"] == reply.status_code
        if reply.status_code == 200:
            assert {"canonical", "defense:jpeg"} <= {stage["stage"] for stage in record["stages"]}
            assert record["verdict"] == "repaired" or record["code"] == "upstream-broken"
    assert sum(reply.status_code == 200 for reply in replies) > 400
    model.manner = "fine"
    assert guard.ask("hi", part(png())).status_code == 200


def test_prometheus_can_read_the_metrics(start: Start, model: Model):
    guard = start()
    guard.ask("hi", part(png()))
    guard.ask("hi", {"type": "video_url"})
    model.manner = "garbage"
    for stream in (True, False):
        guard.ask("hi", stream=stream)
    page = guard.http.get("/metrics").text
    found = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(page)
        for one in family.samples
    }
    assert found["sallet_requests_total", "/v1/chat/completions", "200"] == 1
    assert found["sallet_verdicts_total", "default", "passed"] == 1
    assert found["sallet_refusals_total", "unsupported-part"] == 1
    assert found["sallet_upstream_errors_total", "main", "upstream-broken"] == 2
    assert found["sallet_stage_seconds_count", "canonical"] == 3
    assert found["sallet_ready",] == 1


def test_audit_commands(start: Start, model: Model, tmp_path: Path, capsys: Any):
    kept = tmp_path / "kept"
    guard = start(
        audit={"file": str(tmp_path / "audit.jsonl"), "content": str(kept)},
        stacks={"default": ["none"]},
    )
    id = guard.ask("what?", part(png())).headers["x-sallet-request-id"]
    guard.ask("hi", {"type": "video_url"})
    log = str(guard.log)
    assert run(["audit", "query", log, "--verdict", "passed"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == id
    digest = guard.records()[0]["in"][1]["digest"]
    assert [r["id"] for r in read(guard.log, Wanted(digest=digest))] == [id]
    assert run(["audit", "summary", log, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["verdicts"] == {"passed": 1, "rejected": 1}
    assert made["codes"] == {"unsupported-part": 1}
    assert run(["audit", "summary", log]) == 0
    capsys.readouterr()
    today = tmp_path / "today.yaml"
    today.write_text(f"upstreams: {{main: {{url: '{model.url}'}}}}\nstacks: {{default: [jpeg]}}\n")
    assert run(["audit", "replay", str(kept), id, "--policy", str(today), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["verdict"], again["in"][1]["digest"]) == ("repaired", digest)
    assert len(model.bodies) == 1  # nobody was asked again
    assert run(["audit", "replay", str(kept), "../../etc", "--policy", str(today)]) == 2
    assert run(["audit", "query", log, "--limit", "-1"]) == 2
    (tmp_path / "numbers.jsonl").write_text("1\n")
    assert run(["audit", "query", str(tmp_path / "numbers.jsonl")]) == 1


def test_records_in_a_database_of_any_name(start: Start, tmp_path: Path):
    base = tmp_path / "audit #1?100%25.sqlite"
    id = start(audit={"sqlite": str(base)}).ask("hi").headers["x-sallet-request-id"]
    assert [record["id"] for record in read(base)] == [id]


def test_a_streams_last_word_counts(guard: Guard, model: Model):
    model.manner = "cut"
    guard.ask("hi", stream=True)
    made = summed(guard.records()[-2:])
    assert made["requests"] == 1
    assert made["verdicts"] == {"failed": 1}


@contextmanager
def redis(folder: Path, port: int = 0) -> Iterator[int]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; `apt-get install redis-server` brings it")
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_replicas_share_their_limits(start: Start, tmp_path: Path):
    with redis(tmp_path) as port:
        rates = {"requests_per_minute": 6, "burst": 3, "redis": f"redis://127.0.0.1:{port}/0"}
        one, two = start(rates=rates), start(rates=rates)
        statuses = [guard.ask("hi").status_code for guard in (one, two, one, two, one)]
        assert statuses == [200, 200, 200, 429, 429]
        assert 8 <= int(two.ask("hi").headers["retry-after"]) <= 10


def test_without_redis_nobody_comes_in_until_it_is_back(start: Start, model: Model, tmp_path: Path):
    with redis(tmp_path) as port:
        rates = {"requests_per_minute": 6000, "redis": f"redis://127.0.0.1:{port}/0"}
        guard = start(rates=rates)
        assert guard.ask("hi").status_code == 200
    asked = len(model.bodies)
    reply = guard.ask("hi")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "limits-failed")
    assert len(model.bodies) == asked
    with redis(tmp_path, port):
        assert guard.ask("hi").status_code == 200


def test_spans_are_those_of_the_record(start: Start):
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from sallet.gateway.traces import Traces

    kept = export.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    guard = start()
    guard.gate.traces = Traces(provider)
    id = guard.ask("hi", part(png())).headers["x-sallet-request-id"]
    until = time.monotonic() + 5
    while not any(s.name.startswith("POST") for s in kept.get_finished_spans()):
        assert time.monotonic() < until
        time.sleep(0.01)
    spans = {span.name: span for span in kept.get_finished_spans()}
    whole = spans["POST /v1/chat/completions"]
    assert whole.attributes["sallet.request_id"] == id
    assert whole.attributes["sallet.verdict"] == "passed"
    for stage in ("canonical", "defense:none", "upstream"):
        assert spans[stage].parent.span_id == whole.context.span_id
        assert whole.start_time <= spans[stage].start_time <= spans[stage].end_time
