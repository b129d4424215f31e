"""`sallet demo`: the main job on the shipped model, in a few minutes."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from typing import Any

import yaml

from sallet.cli.ending import Ending
from sallet.cli.evaluate import Cache, execute
from sallet.harness.parts import Parts
from sallet.harness.plan import plan
from sallet.harness.thresholds import Limits
from sallet.runs.parse import parse
from sallet.runs.store import opened


def run(args: argparse.Namespace) -> int:
    """Runs the demo's recipe into `--out`; a run that was stopped goes on, a whole one is shown."""
    recipe = parse(_with_flags(_shipped(), args))
    parts = Parts()
    planned = plan(recipe, parts)
    resume = (args.out / "manifest.json").exists()
    if resume:
        print(f"sallet: note: going on with the demo in {args.out}", file=sys.stderr)
    with opened(args.out, planned.recipe, resume=resume) as store:
        ending = Ending(args.json, Limits(most_unassessed=0.0))
        return execute(planned, parts, store, ending, words=args.words, cache=Cache())


def _shipped() -> dict[str, Any]:
    return yaml.safe_load(files("sallet.cli").joinpath("demo.yaml").read_text(encoding="utf-8"))


def _with_flags(data: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    if args.seed is not None:
        data["seed"] = args.seed
    if args.limit is not None:
        data["benchmarks"] = [{**one, "limit": args.limit} for one in data["benchmarks"]]
    return data
