"""Whether answers depend on the size of the batch: the same queries at 1, 7 and 32, in float32.

python benchmarks/invariance.py --queries 200 --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from sallet import catalog
from sallet.core.guarded import guarded
from sallet.core.offline import Offline
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive
from sallet.models.local import HFModel
from sallet.world.models import path

FAMILIES = ("where", "caption", "reading", "harmful-text", "picture", "typographic", "benign")
SIZES = (1, 7, 32)


def queries(count: int) -> list[Query]:
    """Different families, lengths and wordings in turn; every other one is sampled."""
    share = -(-count // len(FAMILIES))
    drawn = [catalog.build("benchmark", f"world/{f}").samples(share, seed=11) for f in FAMILIES]
    mixed = [samples[i].query for i in range(share) for samples in drawn][:count]
    return [
        replace(
            query.with_defense_seed(derive(11, i)),
            sampling=replace(query.sampling, temperature=float(i % 2), seed=i),
        )
        for i, query in enumerate(mixed)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    asked = queries(args.queries)
    folder = path(args.model) if args.model.startswith("world/") else args.model
    answers: dict[int, list[Answer]] = {}
    seconds: dict[int, float] = {}
    for size in SIZES:
        model = HFModel.from_pretrained(folder, device="cpu", dtype="float32", max_batch=size)
        began = time.perf_counter()
        answers[size] = [a for a in model.answer(asked) if isinstance(a, Answer)]
        seconds[size] = round(time.perf_counter() - began, 1)
        print(f"batch {size}: {seconds[size]} s", file=sys.stderr)
    same = sum(len({answers[size][i].text for size in SIZES}) == 1 for i in range(len(asked)))

    defended = guarded(model, catalog.defense("majority", copies=4), catalog.defense("jpeg"))
    pooled = Offline(defended.model)
    pooled.run(defended.defense, asked[:3])
    result = {
        "model": args.model,
        "queries": len(asked),
        "sampled": sum(q.sampling.temperature > 0 for q in asked),
        "batches": list(SIZES),
        "identical": same,
        "distinct_answers": len({a.text for a in answers[1]}),
        "seconds": {str(size): seconds[size] for size in SIZES},
        "majority_of_4_on_3_queries": {
            "model_calls": pooled.tally.calls["model"],
            "model_queries": pooled.tally.items["model"],
        },
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{same} of {len(asked)} answers identical at batches {SIZES}", file=sys.stderr)
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
