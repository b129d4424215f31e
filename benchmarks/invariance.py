"""Whether answers and attacks depend on the size of the batch, in float32.

The same queries are asked at 1, 7 and 32; the same pictures are attacked at 1 and 16.

python benchmarks/invariance.py --queries 200 --attacked 100 --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.offline import Offline
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive
from sallet.models.local import HFModel
from sallet.world.models import path

FAMILIES = ("where", "caption", "reading", "harmful-text", "picture", "typographic", "benign")
SIZES = (1, 7, 32)
PLACES = (1, 16)


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


def attacked(model: HFModel, count: int) -> dict[str, Any]:
    """The first gradient, and who fell, with one place in an attack's batch and with 16.

    Targeted at 4/255 and 40 steps, where some fall early, some late and some not at all.
    """
    samples = catalog.build("benchmark", "world/where").samples(count, 12)
    goals = [sample.goals["targeted"] for sample in samples]
    asked, judge = [sample.query for sample in samples], catalog.build("judge", "world")
    first = [_gradients(model, asked, goals, places) for places in PLACES]
    apart = [
        float((one - other).abs().max() / one.abs().max())
        for one, other in zip(*first, strict=True)
    ]
    fell: list[list[bool]] = []
    for places in PLACES:
        attack = PGD(eps=4, steps=40, batch=places)
        made = [one.query for one in attack(model, asked, goals, judge=judge, seed=0)]
        verdicts = map(judge.judge, made, model.answer(made), goals)
        fell.append([verdict.outcome is Outcome.SUCCESS for verdict in verdicts])
    return {
        "pictures": count, "batches": list(PLACES), "gradient_apart": max(apart),
        "fell": [sum(each) for each in fell],
        "agree": sum(one == other for one, other in zip(*fell, strict=True)) / count,
    }  # fmt: skip


def _gradients(
    model: HFModel, asked: Sequence[Query], goals: Sequence[Goal], places: int
) -> list[Tensor]:
    found: list[Tensor] = []
    for start in range(0, len(asked), places):
        part = asked[start : start + places]
        leaves = [query.images[0].tensor().requires_grad_() for query in part]
        shown = [q.with_images([Image(x)]) for q, x in zip(part, leaves, strict=True)]
        model.loss(shown, goals[start : start + places]).sum().backward()
        found += [leaf.grad for leaf in leaves if leaf.grad is not None]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--attacked", type=int, default=100)
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    asked = queries(args.queries)
    folder = path(args.model) if args.model.startswith("world/") else args.model
    answers: dict[int, list[str]] = {}
    seconds: dict[int, float] = {}
    failed = 0
    for size in SIZES:
        model = HFModel.from_pretrained(folder, device="cpu", dtype="float32", max_batch=size)
        began = time.perf_counter()
        found = model.answer(asked)
        answers[size] = [a.text if isinstance(a, Answer) else repr(a.error) for a in found]
        failed += sum(not isinstance(a, Answer) for a in found)
        seconds[size] = round(time.perf_counter() - began, 1)
        print(f"batch {size}: {seconds[size]} s", file=sys.stderr)
    same = sum(len({answers[size][i] for size in SIZES}) == 1 for i in range(len(asked)))

    defended = guarded(model, catalog.defense("majority", copies=4), catalog.defense("jpeg"))
    pooled = Offline(defended.model)
    pooled.run(defended.defense, asked[:3])
    result = {
        "model": args.model,
        "queries": len(asked),
        "sampled": sum(q.sampling.temperature > 0 for q in asked),
        "batches": list(SIZES),
        "identical": same,
        "failed": failed,
        "distinct_answers": len({*answers[1]}),
        "seconds": {str(size): seconds[size] for size in SIZES},
        "majority_of_4_on_3_queries": {
            "model_calls": pooled.tally.calls["model"],
            "model_queries": pooled.tally.items["model"],
        },
        "attack": attacked(model, args.attacked),
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{same} of {len(asked)} answers identical at batches {SIZES}", file=sys.stderr)
    attack = result["attack"]
    print(
        f"attack at batches {PLACES}: first gradients {attack['gradient_apart']:.1e} of their "
        f"largest apart at most, {attack['agree']:.1%} of {attack['pictures']} pictures end alike",
        file=sys.stderr,
    )
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
