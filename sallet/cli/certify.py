"""`sallet certify`: within which L2 radius a smoothed model's class provably stays."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from sallet.core.errors import UsageError


def add_parser(commands: Any) -> None:
    """The command and its flags."""
    about = "within which L2 radius a smoothed model's class provably stays"
    command = commands.add_parser("certify", help=about, description=about[0].upper() + about[1:])
    command.add_argument(
        "--model", default="world/llava-strong", metavar="NAME", help="(%(default)s)"
    )
    command.add_argument("--defense", default="none", metavar="NAME", help="below the noise")
    command.add_argument("--benchmark", default="world/where", metavar="NAME", help="(%(default)s)")
    command.add_argument(
        "--classes", default="thing", metavar="NAME",
        help="what an answer counts as, fixed beforehand: refusal, yes-no or thing (%(default)s)",
    )  # fmt: skip
    command.add_argument("--sigma", type=float, default=0.25, help="of the noise (%(default)s)")
    command.add_argument(
        "--select", type=int, default=20, metavar="N", help="copies that choose (%(default)s)"
    )
    command.add_argument(
        "--estimate", type=int, default=200, metavar="N",
        help="other copies, that bound the probability (%(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--alpha", type=float, default=0.05, help="how often it may be wrong (%(default)s)"
    )
    command.add_argument("--limit", type=int, default=10, metavar="N", help="samples (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.certify:run")


def run(args: argparse.Namespace) -> int:
    """One line a sample: class, radius, and what it would be if every value took its share."""
    from sallet import catalog
    from sallet.core.guarded import guarded
    from sallet.defenses.certify import ABSTAIN, Smoothed, certify, class_map
    from sallet.harness.parts import Parts
    from sallet.runs.recipe import BenchmarkSpec, Spec

    how = Smoothed(args.sigma, args.select, args.estimate, args.alpha, args.seed)
    classes = class_map(args.classes)
    if args.limit < 1:
        raise UsageError(f"--limit is at least 1; got {args.limit}")
    parts = Parts()
    samples = parts.benchmark(BenchmarkSpec(args.benchmark)).samples(args.limit, args.seed)
    defense = catalog.defense(args.defense)
    model = guarded(parts.model(Spec(args.model)), defense)
    found = certify(model, [sample.query for sample in samples], classes, how)
    for sample, one in zip(samples, found, strict=True):
        if one.label == ABSTAIN:
            print(f"{sample.id}: {ABSTAIN} ({one.share:.2f} of the copies)")
            continue
        print(
            f"{sample.id}: {one.label!r} within L2 {one.radius:.3f}, which is "
            f"{one.per_pixel:.2f}/255 if every value of every pixel changes"
        )
    certified = [one for one in found if one.label != ABSTAIN]
    print(f"{len(certified)} of {len(found)} certified at alpha {how.alpha}")
    if args.json:
        rows = [{"sample": s.id, **asdict(o)} for s, o in zip(samples, found, strict=True)]
        print(json.dumps({**asdict(how), "classes": args.classes, "samples": rows}))
    return 0
