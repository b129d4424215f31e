"""Does a certificate hold? Certified samples are attacked at their own radius.

    python benchmarks/certificate.py --out results/bench-certificate.json

Samples are certified (`sallet.defenses.certify`) until `--certified` of them are. Each is attacked
inside its own L2 ball by PGD that knows the noise and averages its seeds, and the 8-bit file is
classified with noise of its own. The certificate is broken where another class is clear. The same
attack at several radii, which nothing promises to survive, says whether it can flip anything.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.guarded import guarded
from sallet.core.query import Query
from sallet.core.sample import Sample
from sallet.core.statistics import rate
from sallet.defenses.certify import ABSTAIN, Certificate, Smoothed, certify, class_map, predict
from sallet.defenses.rewrite import Noise
from sallet.harness.revision import revision

BATCH = 20


def main() -> None:
    args = _arguments()
    began = time.perf_counter()
    model = catalog.build("model", args.model, device=args.device)
    how = Smoothed(args.sigma, args.select, args.estimate, args.alpha, args.seed)
    classes = class_map(args.classes)
    certified, drawn = _certified(model, classes, how, args)
    print(f"{len(certified)} of {drawn} are certified", file=sys.stderr)
    scales = {}
    for scale in args.scales:
        hostile = _hostile(model, certified, scale, args)
        labels = predict(model, hostile, classes, how)
        pairs = list(zip(labels, certified, strict=True))
        flipped = [label not in (ABSTAIN, one.label) for label, (_, one) in pairs]
        scales[str(scale)] = {
            "flipped": rate(flipped, [str(i) for i in range(len(flipped))]),
            "abstained": sum(label == ABSTAIN for label in labels),
        }
        print(f"at {scale:g} radii: {sum(flipped)} flipped", file=sys.stderr)
    radii = sorted(one.radius for _, one in certified)
    result = {
        "model": args.model, "revision": revision(model), "benchmark": args.benchmark,
        "classes": args.classes, "sigma": args.sigma, "select": args.select,
        "estimate": args.estimate, "alpha": args.alpha, "drawn": drawn, "n": len(certified),
        "radius_median": round(radii[len(radii) // 2], 4), "radius_most": round(radii[-1], 4),
        "per_pixel_median": round(sorted(o.per_pixel for _, o in certified)[len(radii) // 2], 4),
        "steps": args.steps, "eot": args.eot, "scales": scales, "seed": args.seed,
        "seconds": round(time.perf_counter() - began, 1), "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json or not args.out:
        print(json.dumps(result))


def _certified(
    model: Any, classes: Any, how: Smoothed, args: argparse.Namespace
) -> tuple[list[tuple[Sample, Certificate]], int]:
    found: list[tuple[Sample, Certificate]] = []
    samples = catalog.build("benchmark", args.benchmark).samples(4 * args.certified, args.seed)
    for start in range(0, len(samples), BATCH):
        part = samples[start : start + BATCH]
        made = certify(model, [sample.query for sample in part], classes, how)
        found += [(s, c) for s, c in zip(part, made, strict=True) if c.label != ABSTAIN]
        print(f"{len(found)} certified", file=sys.stderr)
        if len(found) >= args.certified:
            return found[: args.certified], start + len(part)
    return found, len(samples)


def _hostile(
    model: Any, certified: Sequence[tuple[Sample, Certificate]], scale: float, args: Any
) -> list[Query]:
    """Radii take few values, since copies are counted: those of one value are attacked together."""
    defended = guarded(model, Noise(sigma=args.sigma))
    made: dict[int, Query] = {}
    radii = sorted({one.radius for _, one in certified})
    for radius in radii:
        places = [i for i, (_, one) in enumerate(certified) if one.radius == radius]
        samples = [certified[i][0] for i in places]
        goal = "jailbreak" if args.classes == "refusal" else "untargeted"
        attack = PGD(
            norm="l2", eps=max(1.0, 255 * radius * scale), steps=args.steps, eot=args.eot,
            eot_most=args.eot, check_every=args.steps,
        )  # fmt: skip
        found = attack(
            defended, [s.query for s in samples], [s.goals[goal] for s in samples],
            judge=catalog.build("judge", "world"), seed=args.seed + 1,
        )  # fmt: skip
        made |= {i: one.query for i, one in zip(places, found, strict=True)}
    return [made[i] for i in range(len(certified))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--benchmark", default="world/where")
    parser.add_argument("--classes", default="thing")
    parser.add_argument("--certified", type=int, default=300)
    parser.add_argument("--sigma", type=float, default=0.25)
    parser.add_argument("--select", type=int, default=10)
    parser.add_argument("--estimate", type=int, default=60)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--eot", type=int, default=4)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 4.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
