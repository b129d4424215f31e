"""`sallet calibrate`: thresholds of a policy's detectors, from harmless pictures of one's own."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from sallet.cli.ending import say
from sallet.core.compose import Stack
from sallet.core.errors import InputError, UsageError
from sallet.core.query import Query
from sallet.gateway import policy, stacks
from sallet.gateway.calibrate import calibrated, param_of
from sallet.media.canonical import canonical

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def run(args: argparse.Namespace) -> int:
    """Prints a threshold for each detector of each stack."""
    read = policy.read(args.policy)
    sees = next(iter(read.upstreams.values())).sees
    if not args.benign.is_dir():
        raise UsageError(f"there is no folder {args.benign}; give harmless pictures with --benign")
    queries: list[Query] = []
    for file in sorted(p for p in args.benign.rglob("*") if p.suffix.lower() in SUFFIXES):
        try:
            image = canonical(file.read_bytes(), limits=read.limits.media, sees=sees).image
        except InputError as error:
            say(f"note: {file} is left out: {error}")
            continue
        queries.append(Query.ask(image, args.ask))
    found = [
        {"stack": name, **asdict(calibrated(layer, queries, args.fpr))}
        for name, built in stacks.all_of(read.stacks).items()
        for layer in (built.defense.layers if isinstance(built.defense, Stack) else [built.defense])
        if param_of(layer) is not None
    ]
    if not found:
        raise UsageError(
            f"no stack of {args.policy} has a detector with a threshold; put one such as "
            "scaling-screen into a stack"
        )
    if args.json:
        print(json.dumps({"calibrated": found}))
        return 0
    for one in found:
        say(
            f"stacks.{one['stack']}: {{name: {one['name']}, {one['param']}: {one['after']:.6g}}} "
            f"alarms {one['alarmed_after']} of {one['n']} (now {one['before']:g}: "
            f"{one['alarmed_before']})"
        )
    return 0
