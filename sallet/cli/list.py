"""`sallet list`: the catalogue, without loading any of it."""

from __future__ import annotations

import argparse
import json

from sallet import catalog


def run(args: argparse.Namespace) -> int:
    """Prints names and what they are."""
    tables = {f"{kind}s": table for kind, table in catalog.TABLES.items()}
    shown = {args.what: tables[args.what]} if args.what else tables
    if args.json:
        plain = {
            kind: {name: entry.summary for name, entry in table.items()}
            for kind, table in shown.items()
        }
        print(json.dumps(plain, ensure_ascii=False))
        return 0
    for kind, table in shown.items():
        print(kind)
        width = max(map(len, table), default=0)
        for name, entry in table.items():
            print(f"  {name:<{width}}  {entry.summary}")
    return 0
