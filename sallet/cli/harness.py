"""The flags of what stands around a run: judges against labels, a served report, a scan."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_executor(command: argparse.ArgumentParser) -> None:
    """Where the work is done."""
    group = command.add_argument_group("where the work is done")
    group.add_argument(
        "--executor", choices=("local", "ray"), default="local", help="(%(default)s)"
    )
    group.add_argument(
        "--workers", type=int, default=2, metavar="N", help="of ray: actors (%(default)s)"
    )
    group.add_argument(
        "--ray-address", metavar="ADDRESS", help="a cluster to join; default: one of this machine"
    )


def add_parsers(commands: Any) -> None:
    """`sallet scan`, `sallet view`, `sallet judge agreement`."""
    scan = commands.add_parser(
        "scan", help="what a stranger can do to an endpoint, within a budget of calls",
        description="Templates, typographic and transferred attacks, attacks by queries, and "
        "over-refusal, against an endpoint that speaks OpenAI's chat format",
    )  # fmt: skip
    scan.add_argument("url", metavar="URL", help="its base, e.g. http://127.0.0.1:8000/v1")
    scan.add_argument("--model", required=True, metavar="NAME", help="as the endpoint calls it")
    scan.add_argument("--calls", type=int, default=1000, metavar="N", help="at most (%(default)s)")
    scan.add_argument("--concurrency", type=int, default=8, metavar="N", help="(%(default)s)")
    scan.add_argument("--judge", metavar="NAME", help="in place of the picture world's own")
    scan.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    scan.add_argument("--out", type=Path, metavar="DIR", help="default: runs/scan")
    scan.add_argument("--resume", action="store_true", help="go on with the scan in --out")
    scan.add_argument("--dry-run", action="store_true", help="how many calls it would take")
    scan.add_argument("--device", help="of the model that attacks are made on")
    scan.add_argument(
        "--max-unassessed", type=float, default=0.1, metavar="SHARE", help="(%(default)s)"
    )
    scan.add_argument(
        "--fail-over", action="append", default=[], metavar="METRIC=SHARE",
        help="exit 100 when a cell's rate is above this (default: asr=0.2, over_refusal=0.2)",
    )  # fmt: skip
    scan.add_argument("--fail-under", action="append", default=[], metavar="METRIC=SHARE")
    scan.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    scan.set_defaults(handler="sallet.cli.scan:run")
    view = commands.add_parser(
        "view", help="every row of a run in the browser", description="Every row of a run, filtered"
    )
    view.add_argument("folder", type=Path, metavar="DIR")
    view.add_argument("--port", type=int, default=0, help="default: one that is free")
    view.add_argument("--open", action="store_true", help="open the browser")
    view.set_defaults(handler="sallet.cli.view:run")
    judge = commands.add_parser(
        "judge", help="how well judges agree with people", description="Judges against labels"
    )
    kinds = judge.add_subparsers(metavar="WHAT", required=True)
    command = kinds.add_parser(
        "agreement",
        help="accuracy, precision, recall, F1 and Cohen's kappa on labelled answers",
        description="Agreement of judges with labels: a table with the columns answer and label, "
        "and maybe question, names (what a harmful answer would name), finish and cluster",
    )
    command.add_argument("labels", type=Path, metavar="LABELS", help="CSV, TSV, JSONL or JSON")
    command.add_argument(
        "--judge", action="append", metavar="NAME",
        help="a judge, or rubric@model (more than once; default: rules)",
    )  # fmt: skip
    command.add_argument(
        "--column", action="append", metavar="NAME",
        help="verdicts that stand in this column of the table (more than once)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    command.set_defaults(handler="sallet.cli.judge:run")
