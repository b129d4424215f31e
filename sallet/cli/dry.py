"""`--dry-run`: the plan, and what it will cost, without writing anything."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from rich import box
from rich.table import Table

from sallet.cli.terminal import console
from sallet.harness.calibrate import Estimate, estimate
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan
from sallet.runs.record import CellKey


def show(plan: Plan, parts: Parts, *, as_json: bool) -> int:
    """Prints one line a cell and the totals."""
    estimates = estimate(plan, parts)
    if as_json:
        print(json.dumps(_plain(plan, estimates), ensure_ascii=False))
    else:
        console().print(_table(estimates))
    return 0


def _plain(plan: Plan, estimates: list[Estimate]) -> dict[str, Any]:
    return {
        "recipe": plan.recipe.name,
        "digest": plan.recipe.digest,
        "notes": list(plan.notes),
        "seconds": _total(estimates),
        "cells": [
            {
                **asdict(one.cell.key),
                "n": len(one.cell.samples),
                "answers": one.work.answers + one.work.checks,
                "gradients": one.work.gradients,
                "model_calls": round(one.calls),
                "seconds": None if one.seconds is None else round(one.seconds, 3),
            }
            for one in estimates
        ],
    }


def _table(estimates: list[Estimate]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption="at most: an attack stops where it has succeeded")
    table.add_column("cell")
    for name in ("n", "model calls", "gradients", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    several = len({one.cell.key.model for one in estimates}) > 1
    for one in estimates:
        words = _words(one.cell.key)
        table.add_row(
            f"{one.cell.key.model}, {words}" if several else words,
            f"{len(one.cell.samples):,}",
            f"{one.calls:,.0f}",
            f"{one.work.gradients:,}",
            _time(one.seconds),
        )
    table.add_section()
    n = sum(len(one.cell.samples) for one in estimates)
    calls, gradients = sum(e.calls for e in estimates), sum(e.work.gradients for e in estimates)
    table.add_row("all", f"{n:,}", f"{calls:,.0f}", f"{gradients:,}", _time(_total(estimates)))
    return table


def _words(key: CellKey) -> str:
    attack = key.attack
    if key.eps is not None:
        attack += f" {key.goal} {key.norm} {key.eps:g}/255"
    if key.access != "none":
        attack += f" ({key.access}{f' from {key.source}' if key.source else ''})"
    return f"{key.benchmark}: {attack} on {key.defense}"


def _total(estimates: list[Estimate]) -> float | None:
    known = [one.seconds for one in estimates if one.seconds is not None]
    return round(sum(known), 3) if len(known) == len(estimates) else None


def _time(seconds: float | None) -> str:
    return "unknown" if seconds is None else str(timedelta(seconds=math.ceil(seconds)))
