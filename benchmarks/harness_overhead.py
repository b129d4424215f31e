"""What the harness costs beside the answers: the same queries through `evaluate`, and bare.

    python benchmarks/harness_overhead.py --rounds 16 --workers --json

Bare is `model.answer` in batches of the same size, on queries that are made already. The harness
asks, judges twice, saves every image, writes and syncs every row; planning (drawing the samples) is
beside it. Both take turns in one process, each round on new samples and the other way round: no
answer was read before, and what else the machine does falls on both. `ratio` is the median over
rounds of the two times of one round, with a 95 % interval by bootstrap over rounds;
`processor_ratio` is the same of processor time, which is less at the mercy of other programs: what
the harness does while the model answers is in it, too.

With --workers, `ray_speedup`: rows a second of two workers of a local Ray cluster over those of
one, one thread each, in turns. A worker's first shard is not counted, because it loads its model
for it; `ray_seconds` are of whole runs, with that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sallet.core.query import Answer
from sallet.harness import on_ray
from sallet.harness.evaluate import evaluate
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, plan
from sallet.harness.watch import Silent
from sallet.runs.parse import parse
from sallet.runs.recipe import Spec
from sallet.runs.record import Row
from sallet.runs.store import opened

MODEL, BENCHMARK, BATCH, SHARD = "world/llava-strong", "world/caption", 40, 20


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and of the processor."""

    wall: float
    processor: float


class Watch:
    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    @property
    def took(self) -> Took:
        return Took(time.perf_counter() - self.wall, time.process_time() - self.processor)


def planned(queries: int, batch: int, seed: int, parts: Parts) -> Plan:
    data: dict[str, Any] = {
        "name": "overhead", "models": [MODEL], "attack_batch": batch, "seed": seed,
        "benchmarks": [{"name": BENCHMARK, "limit": queries}],
    }  # fmt: skip
    return plan(parse(data), parts)


def bare(model: Any, drawn: Plan) -> Took:
    """Plain batched generation."""
    asked = [sample.query for sample in drawn.cells[0].samples]
    _ = [query.images[0].pixels() for query in asked]
    watch = Watch()
    for start in range(0, len(asked), BATCH):
        answers = model.answer(asked[start : start + BATCH])
        assert all(isinstance(answer, Answer) for answer in answers)
    return watch.took


def harness(drawn: Plan, parts: Parts) -> Took:
    """From an empty folder to the last row."""
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch()
        with opened(Path(folder) / "run", drawn.recipe, resume=False) as store:
            evaluate(drawn, store, parts)
        took = watch.took
        assert len(store.rows) == len(drawn.cells[0].samples)
        assert all(store.artifacts.path(row.clean_images[0]).exists() for row in store.rows)
        return took


class Clock(Silent):
    """When how many rows were done."""

    def __init__(self) -> None:
        self.done: list[tuple[float, int]] = []

    def rows(self, count: int) -> None:
        self.done.append((time.perf_counter(), count))

    def speed(self, workers: int) -> float:
        """Rows a second, once every worker has made its first shard."""
        began, _ = self.done[workers - 1]
        rest = self.done[workers:]
        return sum(number for _, number in rest) / (rest[-1][0] - began)


def on_workers(queries: int, workers: int) -> tuple[Clock, float, list[Row]]:
    """When rows were done, the seconds of the whole run, and the rows."""
    import ray

    whole, clock = planned(queries, SHARD, 0, Parts()), Clock()
    on_ray._start(on_ray._ray(), workers, None)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            opened(Path(folder) / "run", whole.recipe, resume=False) as store,
        ):
            watch = Watch()
            on_ray.evaluate(whole, store, only={}, workers=workers, watch=clock)
            return clock, watch.took.wall, sorted(store.rows, key=lambda row: row.sample)
    finally:
        ray.shutdown()


def paired(name: str, over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """The median of the rounds' own ratios, with its interval."""
    each = np.array(over) / np.array(under)
    drawn = np.median(np.random.default_rng(0).choice(each, (2000, len(each))), axis=1)
    values = np.median(each), *np.quantile(drawn, [0.025, 0.975])
    names = name, f"{name}_low", f"{name}_high"
    return {key: round(float(value), 3) for key, value in zip(names, values, strict=True)}


def overhead(queries: int, rounds: int) -> dict[str, Any]:
    parts = Parts()
    model = parts.model(Spec(MODEL))
    plain: list[Took] = []
    whole: list[Took] = []
    for number in range(-1, rounds):
        alone, inside = (planned(queries, BATCH, number + 1, parts) for _ in range(2))
        if number % 2:
            whole.append(harness(inside, parts))
            plain.append(bare(model, alone))
        else:
            plain.append(bare(model, alone))
            whole.append(harness(inside, parts))
        if number < 0:  # to warm up
            plain, whole = [], []
            continue
        print(f"round {number}: {plain[-1]} {whole[-1]}", file=sys.stderr)
    walls = [one.wall for one in whole], [one.wall for one in plain]
    processors = [one.processor for one in whole], [one.processor for one in plain]
    longer = [a - b for a, b in zip(*walls, strict=True)]
    return {
        **paired("ratio", *walls),
        **paired("processor_ratio", *processors),
        "seconds": {
            "bare": round(statistics.median(walls[1]), 3),
            "harness": round(statistics.median(walls[0]), 3),
        },
        "milliseconds_a_row": round(1000 * statistics.median(longer) / queries, 2),
    }


def speedup(queries: int, rounds: int) -> dict[str, Any]:
    speeds: dict[int, list[float]] = {1: [], 2: []}
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        said: list[list[tuple[str, str | None]]] = []
        for workers in speeds:
            clock, took, rows = on_workers(queries, workers)
            speeds[workers].append(clock.speed(workers))
            seconds[workers].append(took)
            said.append([(row.outcome, row.answer) for row in rows])
        assert said[0] == said[1]
        print(f"round {number}: rows a second {speeds}, seconds {seconds}", file=sys.stderr)
    return {
        **paired("ray_speedup", speeds[2], speeds[1]),
        "ray_queries": queries,
        "ray_rounds": rounds,
        "ray_rows_a_second": [round(statistics.median(one), 2) for one in speeds.values()],
        "ray_seconds": [round(statistics.median(one), 2) for one in seconds.values()],
        "ray_load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--workers", action="store_true", help="measure ray_speedup, too")
    parser.add_argument("--ray-queries", type=int, default=800)
    parser.add_argument("--ray-rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found: dict[str, Any] = {
        "benchmark": "harness_overhead", "queries": args.queries, "rounds": args.rounds,
        "threads": torch.get_num_threads(), "cpus": os.cpu_count(), "machine": platform.machine(),
        "load_before": round(os.getloadavg()[0], 2),
    }  # fmt: skip
    found |= overhead(args.queries, args.rounds)
    found["load"] = round(os.getloadavg()[0], 2)
    if args.workers:
        found |= speedup(args.ray_queries, args.ray_rounds)
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
