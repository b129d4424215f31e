"""`sallet audit`: what was recorded, summed up, and a stored request through today's policy."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich import box
from rich.table import Table

from sallet.cli.ending import say
from sallet.cli.terminal import console
from sallet.gateway.records import Wanted, read, summed


def query(args: argparse.Namespace) -> int:
    """Prints the records that match."""
    found = list(read(args.file, _wanted(args)))
    if args.json:
        print(json.dumps({"records": found}))
        return 0
    for record in found:
        print(json.dumps(record))
    return 0


def summary(args: argparse.Namespace) -> int:
    """Counts verdicts and reasons, and sums up the time that stages took."""
    made = summed(read(args.file, _wanted(args)))
    if args.json:
        print(json.dumps(made))
        return 0
    say(f"{made['requests']} requests from {made['first']} to {made['last']}")
    for title in ("verdicts", "codes", "clients", "models", "flags"):
        if made[title]:
            console().print(_counts(title, made[title]))
    if made["stages"]:
        console().print(_times(made["stages"]))
    return 0


def replay(args: argparse.Namespace) -> int:
    """What today's policy does with a stored request; the model server is not asked to answer."""
    from sallet.gateway import policy
    from sallet.gateway.replay import replayed

    made = replayed(args.content, args.id, policy.read(args.policy))
    if args.json:
        print(json.dumps(made))
        return 0
    say(f"{made['id']}: {made['verdict']} by stack {made['stack']} ({made['stack_digest']})")
    for stage in made["stages"]:
        say(f"  {stage['stage']}: {stage['ms']} ms")
    return 0


def _wanted(args: argparse.Namespace) -> Wanted:
    same = {name: getattr(args, name) for name in ("verdict", "client", "model", "code", "id")}
    given = {name: value for name, value in same.items() if value is not None}
    return Wanted(given, since=args.since, digest=args.digest, limit=args.limit)


def _counts(title: str, counts: dict[str, int]) -> Table:
    table = Table(title, "n", box=box.SIMPLE_HEAD)
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def _times(stages: dict[str, dict[str, Any]]) -> Table:
    table = Table("stage", "n", "p50 ms", "p99 ms", box=box.SIMPLE_HEAD)
    for name, one in stages.items():
        table.add_row(name, f"{one['n']:,}", f"{one['p50']:.1f}", f"{one['p99']:.1f}")
    return table
