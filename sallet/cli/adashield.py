"""`sallet train adashield`: AdaShield-A's pool of prompts."""

from __future__ import annotations

import argparse
import json
import time

from sallet.cli.progress import bar
from sallet.cli.prompts import FORMS
from sallet.core.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the pool is written."""
    from sallet.defenses.wordings import wording
    from sallet.harness.parts import Parts
    from sallet.runs.recipe import BenchmarkSpec, Spec
    from sallet.train.adashield import Asked, Listed, Settings, Training
    from sallet.world.instructions import SAFETY_HELD_OUT

    if args.out.suffix != ".json":
        raise UsageError(f"--out is a .json file; got {args.out}")
    settings = Settings(shown=args.shown, held=args.held, rounds=args.rounds, keep=args.keep)
    parts = Parts()
    model = parts.model(Spec(args.model))
    if args.defender:
        defender = Asked(parts.model(Spec(args.defender)))
    else:
        defender = Listed(tuple(args.prompt or SAFETY_HELD_OUT))
    names = args.benchmark or FORMS
    samples = []
    for name in names:
        ours = {"split": "train", "nouns": "open"} if name.startswith("world/") else {}
        samples += parts.benchmark(BenchmarkSpec(name, ours)).samples(args.samples, args.seed)
    made = {"model": args.model, "defender": args.defender or "listed", "seed": args.seed}
    began = time.monotonic()
    with bar("adashield") as moved:
        training = Training(
            model, defender, args.encoder, wording("adashield", args.static), settings,
            told=lambda done, total, kept: moved(done, total, f"{kept} examples"),
            made={**made, "benchmarks": list(names)},
        )  # fmt: skip
        pool = training.run([sample for sample in samples if not sample.reserved])
    pool.save(args.out)
    scenarios = {entry.scenario for entry in pool.entries}
    print(
        f"{args.out}: {len(pool.entries)} examples of {len(scenarios)} scenarios, "
        f"{len({entry.prompt for entry in pool.entries})} prompts"
    )
    if args.json:
        found = {"file": str(args.out), "entries": len(pool.entries), "kept": len(scenarios)}
        print(json.dumps({**found, "seconds": round(time.monotonic() - began, 1)}))
    return 0
