"""`sallet audit`: what was recorded, summed up, and a stored request through today's policy."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from sallet.cli.ending import say
from sallet.cli.terminal import console
from sallet.core.errors import UnknownName, UsageError
from sallet.gateway.records import Wanted, read, summed
from sallet.gateway.trail import VERDICTS


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
    if args.verdict is not None and args.verdict not in VERDICTS:
        raise UnknownName("verdict", args.verdict, VERDICTS)
    if args.limit is not None and args.limit < 1:
        raise UsageError(f"--limit is how many records to show, 1 or more; it is {args.limit}")
    same = {name: getattr(args, name) for name in ("verdict", "client", "model", "code", "id")}
    given = {name: value for name, value in same.items() if value is not None}
    since = None if args.since is None else _at(args.since)
    return Wanted(given, since=since, digest=args.digest, limit=args.limit)


def _at(text: str) -> str:
    """A time as records write it; one without a zone is in UTC, as theirs are."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since should be a time such as 2026-01-31T12:00, in UTC; it is {text!r}"
        ) from None
    there = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return there.astimezone(UTC).isoformat(timespec="milliseconds")


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
