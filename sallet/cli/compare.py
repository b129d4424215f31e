"""`sallet compare`: which differences are real, between runs or within one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sallet.cli.terminal import console
from sallet.core.errors import UsageError
from sallet.harness.compare import Compared, Comparison, compare_runs, compare_within
from sallet.harness.minimum import minima
from sallet.harness.provenance import provenance
from sallet.harness.summary import flat_minimum
from sallet.report import compare as drawing
from sallet.report.tables import Page, joined, markdown, terminal
from sallet.runs import files
from sallet.runs.store import Store


def run(args: argparse.Namespace) -> int:
    """Prints tables, or one object of JSON, and writes Markdown to `--out`."""
    stores = _stores(args.runs)
    compared = _compared(stores, args)
    if compared is not None:
        page = drawing.differences(compared, args.by, runs=len(stores) > 1)
        plain = _plain(compared)
    else:
        (store,) = stores.values()
        lowest, who = minima(store.rows), provenance(store.rows)
        page = joined([drawing.minimum(lowest), drawing.refusals(who)])
        plain = {
            "minimum": [flat_minimum(one) for one in lowest],
            "refusals": [asdict(one) for one in who],
        }
    warnings = compared.warnings if compared else ()
    for warning in warnings:
        print(f"sallet: warning: {warning}", file=sys.stderr)
    if args.out:
        _write(args.out, page, warnings)
    if args.json:
        runs = [str(store.folder) for store in stores.values()]
        print(json.dumps({"runs": runs, "by": args.by, **plain}, ensure_ascii=False))
    elif args.out:
        print(f"written: {args.out}")
    else:
        console().print(terminal(page))
    return 0


def _stores(folders: Sequence[Path]) -> dict[str, Store]:
    """The runs by the shortest names that tell them apart."""
    names = [folder.resolve().name for folder in folders]
    if len({*names}) < len(names):
        names = [str(folder) for folder in folders]
    if len({*names}) < len(names):
        raise UsageError(f"the same run is named twice: {', '.join(names)}")
    return {name: Store.begun(folder) for name, folder in zip(names, folders, strict=True)}


def _compared(stores: Mapping[str, Store], args: argparse.Namespace) -> Compared | None:
    """None for one run of which nothing is set against anything: its minimum is shown."""
    if args.baseline and not args.by:
        raise UsageError("--baseline is a value of --by: say --by defense, for instance")
    if len(stores) > 1:
        if args.baseline:
            raise UsageError("--baseline is for one run; of several, the first is the baseline")
        return compare_runs(stores, args.by)
    if not args.by:
        return None
    (store,) = stores.values()
    return compare_within(store.rows, args.by, args.baseline)


def _write(path: Path, page: Page, warnings: Sequence[str]) -> None:
    """The tables, and under them what else differs."""
    text = markdown(page)
    if warnings:
        text += "\n### what else differs\n\n" + "".join(f"- {one}\n" for one in warnings)
    files.replace(path, text.encode())


def _plain(compared: Compared) -> dict[str, Any]:
    return {
        "comparisons": [_comparison(one) for one in compared.comparisons],
        "without_match": compared.alone,
        "warnings": list(compared.warnings),
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    found = asdict(one.found) if one.found else {"n": 0}
    rates = {"first_rate": found.pop("first", None), "second_rate": found.pop("second", None)}
    return {
        "measure": one.measure,
        "first": one.first,
        "second": one.second,
        "verdict": one.verdict,
        **rates,
        **found,
        "p_corrected": one.corrected,
        "left_out": dict(one.left_out),
        "cell": asdict(one.key),
        "against": asdict(one.against),
    }
