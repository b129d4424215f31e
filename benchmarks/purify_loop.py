"""Whether a loop that anybody would write finds what the attack engine found through a purifier.

    python benchmarks/purify_loop.py --out results/bench-purify_loop.json --json

A plain projected gradient descent (a random start, signs of the gradient, no momentum, the last
picture and no other) against `guarded(model, defence)`, which is all that it knows of Sallet. Two
fresh defence seeds a step are averaged, as the engine does. What it made is judged once, on a
seed that it never saw, and so is what the engine made of the same pictures with as many looks.
`apart` is the difference of the two rates in points, with the 95 % interval of paired differences.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal, Kind, Outcome
from sallet.core.guarded import Guarded, guarded
from sallet.core.image import Image, to_float
from sallet.core.query import Query
from sallet.core.seeds import derive

GOALS: tuple[Kind, ...] = ("untargeted", "targeted")


def loop(
    model: Guarded, queries: Sequence[Query], goals: Sequence[Goal], eps: float, steps: int
) -> list[Query]:
    """The pictures after the last step, as 8-bit files."""
    made: list[Query] = []
    for start in range(0, len(queries), 16):
        part, aims = queries[start : start + 16], goals[start : start + 16]
        generator = torch.Generator().manual_seed(start)
        clean = [to_float(query.images[0].pixels()) for query in part]
        changes = [(2 * torch.rand(x.shape, generator=generator) - 1) * eps / 255 for x in clean]
        for step in range(steps):
            leaves = [change.requires_grad_() for change in changes]
            for again in range(2):
                shown = [
                    query.with_images([Image((x + leaf).clamp(0, 1))]).with_defense_seed(
                        derive(1, start + i, step, again)
                    )
                    for i, (query, x, leaf) in enumerate(zip(part, clean, leaves, strict=True))
                ]
                model.loss(shown, aims).sum().backward()
            with torch.no_grad():
                changes = [
                    (leaf - eps / 4 / 255 * leaf.grad.sign()).clamp(-eps / 255, eps / 255)
                    for leaf in leaves
                ]
        for query, x, change in zip(part, clean, changes, strict=True):
            whole = ((x + change.detach()).clamp(0, 1) * 255).round().to(torch.uint8)
            made.append(query.with_images([Image(whole.permute(1, 2, 0).contiguous().numpy())]))
        print(f"{min(start + 16, len(queries))} of {len(queries)}", file=sys.stderr, flush=True)
    return made


def fell(model: Guarded, queries: Sequence[Query], goals: Sequence[Goal]) -> list[bool]:
    """Whether each fell, asked once on a seed of its own."""
    judge = catalog.build("judge", "world")
    asked = [query.with_defense_seed(derive(2, i)) for i, query in enumerate(queries)]
    pairs = zip(asked, model.answer(asked), goals, strict=True)
    return [judge.judge(*one).outcome is Outcome.SUCCESS for one in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--eps", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--defense", default="codefend-1")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    behind = guarded(catalog.build("model", args.model), catalog.defense(args.defense))
    samples = catalog.build("benchmark", "world/where").samples(args.n, seed=13)
    queries = [sample.query for sample in samples]
    rng, goals = np.random.default_rng(0), dict[str, Any]()
    for kind in GOALS:
        aims = [sample.goals[kind] for sample in samples]
        plain = fell(behind, loop(behind, queries, aims, args.eps, args.steps), aims)
        engine = PGD(eps=args.eps, steps=args.steps, eot=2, eot_most=2, stop_early=False)(
            behind, queries, aims, judge=catalog.build("judge", "world"), seed=0
        )
        own = fell(behind, [one.query for one in engine], aims)
        apart = np.array(own, float) - np.array(plain, float)
        low, high = np.quantile(rng.choice(apart, (2000, len(apart))).mean(1), [0.025, 0.975])
        goals[kind] = {
            "loop": sum(plain) / args.n, "engine": sum(own) / args.n,
            "apart": [round(100 * float(x), 1) for x in (apart.mean(), low, high)],
        }  # fmt: skip
        print(kind, goals[kind], file=sys.stderr, flush=True)
    result = {
        "benchmark": "purify_loop", "model": args.model, "defense": args.defense, "n": args.n,
        "eps": args.eps, "steps": args.steps, "seeds": 2, "goals": goals,
        "torch": torch.__version__, "machine": f"{platform.system()}, {platform.machine()}",
    }  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
