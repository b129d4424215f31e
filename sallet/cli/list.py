"""`sallet list`: the catalogue and what plug-ins add to it, without loading any of it."""

from __future__ import annotations

import argparse
import json

from sallet import catalog


def run(args: argparse.Namespace) -> int:
    """Prints names and what they are; with --json lists of names, and what they are beside them."""
    tables = {f"{kind}s": catalog.table(kind) for kind in catalog.TABLES}
    shown = {args.what: tables[args.what]} if args.what else tables
    if args.json:
        summaries = {
            kind: {name: entry.summary for name, entry in table.items()}
            for kind, table in shown.items()
        }
        names = {kind: list(table) for kind, table in sorted(shown.items())}
        print(json.dumps({**names, "summaries": summaries}, ensure_ascii=False))
        return 0
    for kind, table in shown.items():
        print(kind)
        width = max(map(len, table), default=0)
        for name, entry in table.items():
            print(f"  {name:<{width}}  {entry.summary}")
    return 0
