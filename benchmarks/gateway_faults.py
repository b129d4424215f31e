"""Ten thousand requests on a bad day: is every response in the audit, and was each looked at?

    python benchmarks/gateway_faults.py --out results/bench-gateway-faults.json

Faults are drawn for one request in a hundred: the model server answers garbage, cuts its reply,
says nothing of use or refuses; a decoder is killed; a client leaves. Every fifth request streams.
Progress goes to stderr; with --json the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.gateway.conftest import Guard, guarding  # noqa: E402
from tests.gateway.pictures import part, png  # noqa: E402
from tests.gateway.upstream import Model, modelled  # noqa: E402

CLIENTS = 32
FAULTS = ("garbage", "cut", "empty", "error", "decoder", "leaves")


def ask(
    guard: Guard, model: Model, fault: str | None, stream: bool, seed: int
) -> tuple[str, int] | None:
    """The id and the status of a reply; None: the client did not wait for one."""
    if fault == "decoder":
        for pid in guard.gate.workers.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    told: dict[str, Any] = {"timeout": 0.002} if fault == "leaves" else {}
    # What the model server does for this request alone is written where it can read it.
    text = fault if fault in model_faults() else "what?"
    content = [{"type": "text", "text": text}, part(png(seed % 50))]
    body = {"model": "toy", "messages": [{"role": "user", "content": content}], "stream": stream}
    try:
        reply = guard.post(body, **told)
    except httpx.TimeoutException:
        return None
    return reply.headers["x-sallet-request-id"], reply.status_code


def model_faults() -> tuple[str, ...]:
    """Faults that the model server has."""
    return FAULTS[:4]


class Moody(Model):
    """A model server whose manner is the question's."""

    async def chat(self, request: Any) -> Any:
        text = json.loads(await request.body())["messages"][0]["content"][0]["text"]
        one = Moody(self.url, manner=text if text in model_faults() else "fine")
        return await Model.chat(one, request)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rng = random.Random(9)
    plan = [rng.choice(FAULTS) if rng.random() < 0.01 else None for _ in range(args.count)]
    with tempfile.TemporaryDirectory() as folder, modelled(Moody()) as model:
        with guarding(model, Path(folder), stacks={"default": ["jpeg"]}) as guard:
            began = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                jobs = [
                    pool.submit(ask, guard, model, fault, i % 5 == 0, i)
                    for i, fault in enumerate(plan)
                ]
                replies = [job.result() for job in jobs]
            seconds = time.perf_counter() - began
            after = guard.ask("what?", part(png())).status_code
            peak = guard.gate.workers.peak
        records = guard.records()
    last = {record["id"]: record for record in records}
    came = [one for one in replies if one is not None]
    looked = {"canonical", "defense:jpeg"}
    unscanned = [
        r for r in last.values()
        if r["status"] == 200 and not looked <= {stage["stage"] for stage in r["stages"]}
    ]  # fmt: skip
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "requests": args.count,
        "clients": CLIENTS,
        "faults": dict(Counter(fault for fault in plan if fault)),
        "seconds": round(seconds, 1),
        "statuses": dict(Counter(str(status) for _, status in came)),
        "left": args.count - len(came),
        "responses_without_record": sum(id not in last for id, _ in came),
        "responses_with_another_status": sum(
            last[id]["status"] != status for id, status in came if id in last
        ),
        "answered_unscanned": len(unscanned),
        "verdicts": dict(Counter(record["verdict"] for record in last.values())),
        "answers_afterwards": after == 200,
        "decoder_peak_mib": round(peak / 2**20, 1),
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))
    print(json.dumps(result, indent=1), file=sys.stderr)


if __name__ == "__main__":
    main()
