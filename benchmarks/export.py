"""A run of many rows: how long it takes to write, to read, to sum up and to export.

Rows are synthetic (100 cells, 40 nouns), but pass through the real store and the real code. Seconds
are of the clock and, in brackets, of the processor. Pictures are not in it: a run's folder has
them, and only `inspect` copies them.

    python benchmarks/export.py --rows 20000 --json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from sallet.harness.thresholds import Limits
from sallet.report import page
from sallet.report.export.formats import FORMATS
from sallet.report.export.options import Options
from sallet.report.export.source import Source
from sallet.report.export.write import save
from sallet.runs.manifest import machine
from sallet.runs.parse import parse
from sallet.runs.recipe import digest
from sallet.runs.record import CellKey, Row, Said
from sallet.runs.store import Store, opened

T = TypeVar("T")
BATCH = 500  # rows that are written together
NOUNS = 40
DEFENSES = ("none", "safety-prompt", "jpeg", "resize", "majority")
PLAIN = CellKey("world/llava-strong", "none", "none", "none", "world/where", None, None, None)


def keys() -> list[CellKey]:
    """100 cells: for each defence three without an attack, and PGD and noise at several sizes."""
    bare = [
        replace(PLAIN, judge="rules"),
        replace(PLAIN, benchmark="world/benign", judge="rules"),
        replace(PLAIN, benchmark="world/picture", goal="jailbreak", judge="rules"),
    ]
    attacked = [
        replace(
            PLAIN,
            attack="pgd" if access != "none" else "uniform-noise",
            access=access,
            goal=goal,
            norm="linf",
            eps=eps,
            params={"steps": 100, "eot": 2} if access != "none" else {},
            judge="rules",
        )
        for goal in ("untargeted", "targeted")
        for eps in (2.0, 4.0, 8.0)
        for access in ("none", "oblivious", "adaptive")
    ][:17]
    return [replace(key, defense=defense) for defense in DEFENSES for key in [*bare, *attacked]]


def rows(count: int) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    cells = keys()
    each = -(-count // len(cells))
    for number in range(count):
        key, i = cells[number // each], number % each
        noun, success = f"noun-{i % NOUNS}", bool(rng.random() < 0.4)
        right = f"a {noun}."
        answer = right if not success else f'=a {noun}, and "more":\nas the picture says.'
        picture = digest([number])
        yield Row(
            cell=digest(asdict(key)),
            key=key,
            sample=f"where-1-{i}",
            cluster=noun,
            harmful=key.goal == "jailbreak",
            question="what is shown at the left?",
            reference=(right, noun),
            wanted=None,
            answer=answer,
            outcome="success" if success else "resisted",
            reason="wrong" if success else "right",
            right=None if key.goal == "jailbreak" else not success,
            refused_by="model" if number % 50 == 0 else None,
            eligible=i % 20 != 19 if key.goal == "untargeted" else None,
            clean_answer=right,
            clean_images=(picture * 4,),
            hostile_images=(picture[::-1] * 4,),
            defense_seeds=(int(rng.integers(2**62)),),
            attempts=1,
            asks=1.0,
            seconds=0.0125,
            loss_start=float(rng.random()),
            loss_end=float(rng.random()),
            steps=100,
            gradient=float(rng.random()),
            flags=(),
            model_revision="sha256:0123456789abcdef",
            defense_config="0123456789abcdef",
            code="0.1.0",
            attack_seconds=0.5,
            clean_right=True,
            tries=(Said(answer),),
            votes=(Said(right),) * (4 if key.defense == "majority" else 1),
        )


class Clock:
    """Seconds of each named piece of work, as it goes."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    def time(self, name: str, work: Callable[[], T]) -> T:
        wall, processor = time.perf_counter(), time.process_time()
        made = work()
        took = {
            "wall": round(time.perf_counter() - wall, 2),
            "cpu": round(time.process_time() - processor, 2),
        }
        self.seconds[name] = took
        print(f"{name}: {took['wall']} s ({took['cpu']} s)", file=sys.stderr)
        return made


def measure(count: int, folder: Path) -> dict[str, object]:
    recipe = parse({"name": "many", "models": ["m"], "benchmarks": ["b"], "seed": 0})
    every, clock = list(rows(count)), Clock()
    run = folder / "run"
    with opened(run, recipe, resume=False) as store:
        batches = [every[i : i + BATCH] for i in range(0, count, BATCH)]
        clock.time("write", lambda: [store.append(batch, seconds=1.0) for batch in batches])
    source = Source.of(clock.time("read", lambda: Store.read(run)))
    assert len(source.rows) == count
    store.write_summary(clock.time("summary", lambda: source.summary))
    clock.time("report.html", lambda: page.write(run))
    bytes_written: dict[str, int] = {}
    for name, form in FORMATS.items():
        __import__(f"sallet.report.export.{form.target.split(':')[0]}")  # loading is not exporting
        for what in form.what:
            options = Options(what, Limits({"asr": 0.5}), images=False)
            out = folder / f"{name}-{what}"
            work = f"{name}, {what}"
            clock.time(work, lambda n=name, o=options, to=out: save(source, n, o, to))
            files = out.iterdir() if out.is_dir() else [out]
            bytes_written[work] = sum(file.stat().st_size for file in files)
    return {
        "rows": count,
        "cells": len(source.arms),
        "machine": machine(),
        "rows_mb": round((run / "rows.jsonl").stat().st_size / 1e6, 1),
        "seconds": clock.seconds,
        "mb": {name: round(size / 1e6, 2) for name, size in bytes_written.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.rows, Path(folder))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
