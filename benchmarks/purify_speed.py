"""What a purifier costs beside DiffPure, on the same pictures in the same run.

    python benchmarks/purify_speed.py --out results/bench-purify_speed.json --json

Scenes of the picture world, one at a time, as a gateway gets them. The purifiers take turns, each
round in another order, so that what else the machine does falls on all of them; a ratio is the
median over rounds of the two times of one round, with a 95 % interval by bootstrap.
`ratio` is DiffPure's time over CoDefend's one step, `ratio_ddim10` that of DiffPure in 10 strides,
`gated_clean_ratio` that of CoDefend in 4 steps without a gate over the same with one, on clean
pictures. Progress goes to stderr; with --json the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sallet import catalog
from sallet.core.guarded import guarded
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive

NAMES = ("diffpure", "diffpure-10", "codefend-1", "codefend-2", "codefend-4", "jpeg", "tv")


class Silent:
    """A model that answers at once: what is timed is the defence."""

    name = "silent"

    def answer(self, queries: list[Query]) -> list[Answer]:
        for query in queries:
            _ = [image.pixels() for image in query.images]
        return [Answer("") for _ in queries]


def gate_of(pictures: list[Query], share: float) -> float:
    """The first step's length that `share` of these clean pictures stay below."""
    from sallet.purifiers.run import Begin

    plain = catalog.defense("codefend-4")
    begun = Begin(plain.folder, plain.sampler)([q.seeded_images()[0] for q in pictures])
    return float(np.quantile([float(one.alarm) for one in begun], share))


def ratio(over: list[float], under: list[float], rng: np.random.Generator) -> dict[str, Any]:
    each = np.array(over) / np.array(under)
    drawn = np.median(rng.choice(each, (2000, len(each))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"ratio": round(float(np.median(each)), 2), "low": round(low, 2), "high": round(high, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12, help="pictures, one a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    samples = catalog.build("benchmark", "world/where").samples(args.n + 64, seed=11)
    queries = [s.query.with_defense_seed(derive(3, s.id)) for s in samples]
    timed, benign = queries[: args.n], queries[args.n :]
    gate = gate_of(benign, 0.95)
    made: dict[str, Any] = {name: catalog.defense(name) for name in NAMES}
    made["codefend-4 gated"] = catalog.build("defense", "codefend-4", gate=gate)
    asked: dict[str, Callable[[list[Query]], Any]] = {
        name: guarded(Silent(), defense).answer for name, defense in made.items()
    }
    times: dict[str, list[float]] = {name: [] for name in asked}
    for ask in asked.values():
        ask(benign[:1])
    for number, query in enumerate(timed):
        order = list(asked)
        random.Random(number).shuffle(order)
        for name in order:
            began = time.perf_counter()
            asked[name]([query])
            times[name].append(time.perf_counter() - began)
        print(f"{number + 1} of {args.n}", file=sys.stderr)
    rng = np.random.default_rng(0)
    result = {
        "n": args.n,
        "pixels": [*timed[0].images[0].pixels().shape[:2]],
        "ms": {name: round(float(np.median(found)) * 1e3, 1) for name, found in times.items()},
        "ratio": ratio(times["diffpure"], times["codefend-1"], rng),
        "ratio_ddim10": ratio(times["diffpure-10"], times["codefend-1"], rng),
        "gated_clean_ratio": ratio(times["codefend-4"], times["codefend-4 gated"], rng),
        "gate": round(gate, 5),
        "threads": args.threads,
        "torch": torch.__version__,
        "machine": f"{platform.system()}, {platform.machine()}",
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    said = ", ".join(f"{name} {ms:.0f}" for name, ms in result["ms"].items())
    print(f"ms a picture: {said}; DiffPure / CoDefend {result['ratio']['ratio']}", file=sys.stderr)
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
