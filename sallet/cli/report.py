"""`sallet report DIR`: `summary.json` and `report.html` again, from the rows alone."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sallet.cli.terminal import console
from sallet.harness.summary import summarize
from sallet.report import page, table
from sallet.runs.store import Store


def run(args: argparse.Namespace) -> int:
    """Sums up, writes and prints."""
    store = Store.begun(args.folder)
    tell_unfinished(store)
    finish(store, as_json=args.json)
    return 0


def finish(store: Store, *, as_json: bool) -> dict[str, Any]:
    """Writes what a run ends in, and prints its table, or one line of JSON."""
    summary = summarize(store.manifest, store.rows)
    store.write_summary(summary)
    report = page.write(store.folder)
    if as_json:
        print(json.dumps({"out": str(store.folder), "summary": summary}, ensure_ascii=False))
    else:
        console().print(table.render(summary))
        print(f"report: {_shown(report)}")
    return summary


def tell_unfinished(store: Store) -> None:
    """Says of a run that was stopped, or still goes on, that what follows is of a part of it."""
    if store.lacking:
        rows = len(store.rows)
        print(
            f"note: {store.folder} is not finished: {rows} of {rows + store.lacking} rows are "
            "there, and every figure is of those",
            file=sys.stderr,
        )


def _shown(path: Path) -> str:
    """The path as a user would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
