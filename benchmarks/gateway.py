"""What the gateway adds to a model server's time, beside LiteLLM's proxy in the same run.

    python benchmarks/gateway.py --litellm LITELLM/bin/litellm --out results/bench-gateway.json

The model server answers after a fixed time. A closed loop of c clients sends a question and a
512x512 JPEG (c = 1, 8, 32), to the server itself, through the gateway and through LiteLLM, in
turns, three times. Added time is a percentile through a proxy less the same one of the server
alone; a ratio is ours over LiteLLM's. `cpu_ms` is the processor time that a proxy's processes take
for one request; `throughput_ratio_most` is what a proxy that adds nothing would have had.

(a) passthrough: neither looks at the picture; also before a server that takes 10 ms. (b) canonical:
both decode it and encode it again and add a safety prompt; the gateway also checks limits, writes
digests and a record. (c) purifier: the shipped `codefend-1`. All processes share the machine's
cores, client and server too. Progress goes to stderr; with --json the last line of stdout is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gateway_load import body, measured
from gateway_parts import (
    DELAY,
    KEY,
    QUICK,
    STACKS,
    batched,
    gateway,
    litellm,
    upstream,
    version,
    worked,
)

CLIENTS = (1, 8, 32)
BESIDE = ("passthrough", "passthrough-quick", "canonical")  # what LiteLLM is measured at, too


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--litellm", type=Path, help="LiteLLM's program, in an environment of its own"
    )
    parser.add_argument(
        "--count", type=int, default=200, help="requests a measurement (%(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=tuple(STACKS), action="append")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "delay_ms": DELAY * 1e3,
        "quick_delay_ms": QUICK * 1e3,
        "requests": args.count,
        "body_bytes": len(body(False)),
        "litellm": version(args.litellm) if args.litellm else known(args.out),
        "arms": {},
    }
    if args.only and args.out and args.out.exists():  # the other arms are as they were
        result["arms"] = json.loads(args.out.read_text())["arms"]
    for name in args.only or STACKS:
        result["arms"][name] = arm(name, args)
        print(json.dumps({name: result["arms"][name]}), file=sys.stderr, flush=True)
    result["arms"] = {name: result["arms"][name] for name in STACKS if name in result["arms"]}
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


def known(out: Path | None) -> str | None:
    """The version that an earlier run was beside."""
    return json.loads(out.read_text())["litellm"] if out and out.exists() else None


def arm(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One stack beside LiteLLM: every figure of it."""
    facts: dict[str, dict[str, Any]] = {"sallet": {}, "litellm": {}}
    seen: dict[str, dict[int, list[dict[str, float]]]] = {}
    streamed: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        up = stack.enter_context(upstream(folder, name))
        ports = {
            "alone": up,
            "sallet": stack.enter_context(gateway(folder, up, name, facts["sallet"])),
        }
        if args.litellm and name in BESIDE:
            made = litellm(args.litellm.resolve(), folder, up, name, facts["litellm"])
            ports["litellm"] = stack.enter_context(made)
        whole, stream = body(False), body(True)
        ask: Callable[..., dict[str, float]] = measured
        for _ in range(args.repeats):
            for clients in CLIENTS:
                for who, port in ports.items():
                    few = clients == 1 or name == "purifier"
                    count = args.count // 4 if few else args.count
                    process = facts[who].get("process") if who in facts else None
                    before = worked(process) if process else 0.0
                    items = batched(port) if who == "sallet" else (0.0, 0.0)
                    one = ask(port, "/v1/chat/completions", whole, clients, count, KEY)
                    if process:
                        one["cpu"] = (worked(process) - before) / (count + clients)
                    if who == "sallet":
                        here = [now - then for now, then in zip(batched(port), items, strict=True)]
                        one["batch"] = here[0] / here[1] if here[1] else 0.0
                    seen.setdefault(who, {}).setdefault(clients, []).append(one)
            for who, port in ports.items():
                one = ask(port, "/v1/chat/completions", stream, 1, args.count // 4, KEY)
                streamed.setdefault(who, []).append(one)
    return {"processes": {k: v for k, v in facts.items() if v}, **compared(seen, streamed)}


def compared(seen: Any, streamed: Any) -> dict[str, Any]:
    def added(who: str, clients: int, what: str) -> list[float]:
        pairs = zip(seen[who][clients], seen["alone"][clients], strict=True)
        return [round(one[what] - alone[what], 2) for one, alone in pairs]

    made: dict[str, Any] = {}
    for clients in CLIENTS:
        at: dict[str, Any] = {}
        for who in (w for w in seen if w != "alone"):
            at[who] = {
                "added_p50_ms": added(who, clients, "p50"),
                "added_p99_ms": added(who, clients, "p99"),
                "per_second": [round(one["per_second"], 1) for one in seen[who][clients]],
                "cpu_ms": [round(one["cpu"], 2) for one in seen[who][clients]],
            }
            if any(one.get("batch") for one in seen[who][clients]):
                at[who]["batch"] = [round(one["batch"], 2) for one in seen[who][clients]]
        if "litellm" in seen:
            ours, theirs = at["sallet"], at["litellm"]
            for what, key in (("p50_ratio", "added_p50_ms"), ("p99_ratio", "added_p99_ms")):
                at[what] = [round(a / b, 3) for a, b in zip(ours[key], theirs[key], strict=True)]
            pairs = zip(ours["per_second"], theirs["per_second"], strict=True)
            at["throughput_ratio"] = [round(a / b, 2) for a, b in pairs]
            most = zip(seen["alone"][clients], seen["litellm"][clients], strict=True)
            at["throughput_ratio_most"] = [
                round(a["per_second"] / b["per_second"], 2) for a, b in most
            ]
        made[f"c{clients}"] = at
    made["first_token_added_ms"] = {
        who: [
            round(one["first_p50"] - alone["first_p50"], 2)
            for one, alone in zip(streamed[who], streamed["alone"], strict=True)
        ]
        for who in streamed
        if who != "alone"
    }
    return made


if __name__ == "__main__":
    main()
