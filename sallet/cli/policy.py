"""`sallet policy check` and `sallet policy key`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from sallet.cli.ending import say
from sallet.cli.terminal import console
from sallet.core.errors import UsageError, WrongFolder
from sallet.gateway import keys, policy, stacks
from sallet.gateway.tokens import of_tokenizer
from sallet.gateway.worth import NEVER, Figure, figures


def check(args: argparse.Namespace) -> int:
    """Says what is wrong with a policy; of one that is right, what its stacks are worth."""
    read = policy.read(args.file)
    keys.load(read.keys)
    for one in read.upstreams.values():
        if one.special_tokens and read.special_tokens:
            of_tokenizer(Path(one.special_tokens))
    built = stacks.all_of(read.stacks)
    folders = args.runs or [place for place in (Path("results"), Path("runs")) if place.is_dir()]
    for folder in folders:
        if not folder.is_dir():
            raise WrongFolder(f"there is no folder {folder}; say where your runs are with --runs")
    found = {
        name: [f for f in figures(one, folders) if args.model in (None, f.model)]
        for name, one in built.items()
    }
    for line in read.warnings:
        say(f"warning: {line}")
    if args.json:
        shown = _plain(read, built, found)
        print(json.dumps({**shown, "looked_at": [str(folder) for folder in folders]}))
        return 0
    for name, one in built.items():
        used = " (default)" if name == read.stack else ""
        console().print(f"{name}{used}: {one.spec.name}, {one.digest}", soft_wrap=True)
        console().print(_table(found[name]) if found[name] else f"  {NEVER}\n")
    if not all(found.values()):
        where = " and ".join(map(str, folders)) or "no folder: here is neither results nor runs"
        say(f"note: runs were looked for in {where}; --runs DIR names others")
    return 0


def key(args: argparse.Namespace) -> int:
    """Makes a key; it is shown once."""
    made, line = keys.new(args.name)
    if args.file is not None:
        if args.name in keys.ids(args.file):
            raise UsageError(
                f"{args.name} has a key in {args.file} already; take its line out to replace it, "
                "or give another name"
            )
        try:
            fd = os.open(args.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(fd, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise UsageError(f"cannot write {args.file}: {error.strerror}") from None
        say(f"{args.name} is in {args.file}; the key itself is shown only now")
    else:
        print(line, file=sys.stderr)
    print(made)
    return 0


def _table(found: list[Figure]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("model", "benchmark", "attack"):
        table.add_column(name, overflow="fold")
    for name in ("oblivious", "adaptive", "n"):
        table.add_column(name, justify="right")
    table.add_column("run")
    for one in found:
        table.add_row(
            one.model, one.benchmark, one.attacked, one.shown("oblivious"), one.shown("adaptive"),
            str(one.n), one.run,
        )  # fmt: skip
    return table


def _plain(
    read: policy.Policy, built: dict[str, stacks.Built], found: dict[str, list[Figure]]
) -> dict[str, Any]:
    return {
        "policy": read.source,
        "warnings": read.warnings,
        "stacks": {
            name: {
                "defense": one.spec.name,
                "digest": one.digest,
                "measured": bool(found[name]),
                "figures": [figure.plain() for figure in found[name]],
            }
            for name, one in built.items()
        },
    }
