"""How near purified pictures are to the clean ones, and how often each purifier's network is asked.

    python benchmarks/purify_quality.py --out results/bench-purify_quality.json --json

Held-out scenes of the picture world as they are, and as PGD made them on the undefended model
(untargeted, 8/255). PSNR (decibels) and SSIM are torchmetrics', of the purified picture against the
clean one; `none` is what the attack alone does. `gate` is how well the length of CoDefend's first
step tells the one kind from the other: the share of pairs that it has in the right order. Means
with 95 % intervals by bootstrap over pictures. Progress goes to stderr; with --json the last line
of stdout is one JSON object.
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
from diffusers.models.unets.unet_2d import UNet2DModel
from torch.nn.modules.module import register_module_forward_hook

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.guarded import guarded
from sallet.core.image import to_float
from sallet.core.query import Answer, Query, Seeded
from sallet.core.seeds import derive
from sallet.purifiers.quality import quality
from sallet.purifiers.run import Begin

NAMES = (
    "none", "jpeg", "tv", "diffpure", "diffpure-10", "codefend-1", "codefend-2", "codefend-4"
)  # fmt: skip


class Seeing:
    """A model that keeps what it is shown."""

    name = "seeing"

    def __init__(self) -> None:
        self.seen: dict[str, torch.Tensor] = {}

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        for query in queries:
            self.seen[query.user_text] = to_float(query.images[0].pixels())
        return [Answer("") for _ in queries]


def purified(defense: Any, queries: Sequence[Query]) -> list[torch.Tensor]:
    """What a model behind the defence sees of each query's picture."""
    model = Seeing()
    asked = [Query.ask(query.images[0], str(i)) for i, query in enumerate(queries)]
    seeds = [one.with_defense_seed(derive(7, i)) for i, one in enumerate(asked)]
    guarded(model, defense).answer(seeds)
    return [model.seen[str(i)] for i in range(len(queries))]


def evaluations(defense: Any, query: Query) -> int:
    """How often a U-Net is asked for one picture."""
    asked: list[str] = []

    def count(module: torch.nn.Module, *_: object) -> None:
        if isinstance(module, UNet2DModel):
            asked.append(defense.name)

    hook = register_module_forward_hook(count)
    try:
        purified(defense, [query])
    finally:
        hook.remove()
    return len(asked)


def gate(defense: Any, clean: Sequence[Query], hostile: Sequence[Query]) -> list[float]:
    """The share of pairs of a clean and a hostile picture whose hostile one alarms more."""
    begin = Begin(defense.folder, defense.sampler)

    def alarms(queries: Sequence[Query]) -> np.ndarray[Any, Any]:
        seeded = [Seeded(query.images[0], derive(9, i)) for i, query in enumerate(queries)]
        return np.array([float(one.alarm) for one in begin(seeded)])

    low, high, rng = alarms(clean), alarms(hostile), np.random.default_rng(0)
    drawn = rng.integers(len(low), size=(1000, len(low)))
    found = [
        above(low, high),
        *np.quantile([above(low[i], high[i]) for i in drawn], [0.025, 0.975]),
    ]
    return [round(float(x), 3) for x in found]


def above(low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> float:
    return float((high[:, None] > low[None]).mean())


def mean(values: Sequence[float], rng: np.random.Generator) -> list[float]:
    each = np.array(values)
    drawn = rng.choice(each, (2000, len(each))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [round(float(x), 4) for x in (each.mean(), low, high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--slow", type=int, default=20, help="pictures of diffpure, which is slow")
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--defenses", nargs="+", default=NAMES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    samples = catalog.build("benchmark", "world/where").samples(args.n, seed=12)
    clean = [sample.query for sample in samples]
    made = PGD(eps=8, steps=20, stop_early=False, check_every=20)(
        catalog.build("model", args.model), clean, [s.goals["untargeted"] for s in samples],
        judge=catalog.build("judge", "world"), seed=0,
    )  # fmt: skip
    hostile = [one.query for one in made]
    wanted = [to_float(query.images[0].pixels()) for query in clean]
    rng = np.random.default_rng(0)
    rows: dict[str, Any] = {}
    for name in args.defenses:
        n = min(args.n, args.slow) if name == "diffpure" else args.n
        defense = catalog.defense(name)
        row: dict[str, Any] = {"n": n, "evaluations": evaluations(defense, clean[0])}
        for kind, queries in (("clean", clean), ("hostile", hostile)):
            found = quality(purified(defense, queries[:n]), wanted[:n])
            row[kind] = {
                "psnr": mean([one.psnr for one in found], rng),
                "ssim": mean([one.ssim for one in found], rng),
            }
        rows[name] = row
        print(name, row, file=sys.stderr, flush=True)
    result = {
        "benchmark": "purify_quality", "model": args.model, "defenses": rows,
        "gate": gate(catalog.defense("codefend-4"), clean, hostile),
        "torch": torch.__version__, "machine": f"{platform.system()}, {platform.machine()}",
    }  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
