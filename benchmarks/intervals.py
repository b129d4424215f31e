"""How often the 95 % intervals hold the truth, on simulated clusters; and seconds for 20,000 rows.

python benchmarks/intervals.py --json

Shares are beta-binomial and paired outcomes Dirichlet-multinomial: each cluster has its own rates,
as far apart as its rows are alike (`correlation`). Coverage is of `core.shares` and `core.paired`
as they are used (with fewer resamples, for time), beside the plain percentile bootstrap on the same
data. With 2,000 repetitions, a true 95 % shows as 94 to 96.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from sallet.core.clusters import RESAMPLES, Array, Clusters
from sallet.core.paired import difference_bounds, sign_flips
from sallet.core.shares import share_bounds
from sallet.harness.summary import summarize
from sallet.runs.codec import to_line
from sallet.runs.manifest import Manifest
from sallet.runs.recipe import digest
from sallet.runs.record import CellKey, Row
from sallet.runs.store import Store

COUNTS = (10, 20, 40, 60)
SIZES: dict[str, tuple[int, ...]] = {
    "3": (3,),
    "10": (10,),
    "40": (40,),
    "3 to 40": (3, 3, 4, 5, 6, 8, 10, 14, 20, 40),
}
CORRELATIONS = (0.0, 0.1, 0.3)
RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.9, 0.98)
CHANGES = ((0.02, 0.02), (0.1, 0.02), (0.3, 0.1), (0.6, 0.02), (0.9, 0.02))
CHUNK = 500  # repetitions that are held in memory together
DEFENSES, SAMPLES, NOUNS = 10, 1000, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=600, help=f"in use: {RESAMPLES}")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="of clusters")
    parser.add_argument(
        "--speed",
        action="store_true",
        help="nothing but the 20,000 rows; the coverage that --out has stays",
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    result: dict[str, Any] = {"repetitions": args.repetitions, "resamples": args.resamples}
    if args.speed and args.out and args.out.exists():
        result = json.loads(args.out.read_text())
    if not args.speed:
        began = time.process_time()
        result["shares"] = [*shares(args.counts, args.repetitions, args.resamples)]
        result["differences"] = [*differences(args.counts, args.repetitions, args.resamples)]
        result["cpu"] = round(time.process_time() - began)
        for kind in ("shares", "differences"):
            print(f"{kind}: {told(result[kind])}", file=sys.stderr)
    result["speed"] = speed()
    for name, spent in result["speed"].items():
        print(f"20,000 rows, {name}: {spent}", file=sys.stderr)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


def told(found: list[dict[str, Any]]) -> str:
    """How many settings are covered within 93 to 97 %, and how many less or more."""
    coverage = np.array([one["coverage"] for one in found])
    below, above = int((coverage < 0.93).sum()), int((coverage > 0.97).sum())
    within = len(coverage) - below - above
    return (
        f"{len(coverage)} settings, {within} within 93 to 97 %, {above} above, {below} below "
        f"(lowest {coverage.min():.3f})"
    )


def settings(counts: list[int], resamples: int) -> Iterator[tuple[str, Clusters, float]]:
    for count, (name, sizes) in product(counts, SIZES.items()):
        clusters = Clusters(np.resize(sizes, count).astype(float), resamples=resamples)
        for correlation in CORRELATIONS:
            yield name, clusters, correlation


def shares(counts: list[int], repetitions: int, resamples: int) -> Iterator[dict[str, Any]]:
    for name, clusters, correlation in settings(counts, resamples):
        for rate in RATES:
            rng = np.random.default_rng([clusters.count, len(name), *_seed(correlation, rate)])
            bounds, plain = [], []
            for _ in range(repetitions // CHUNK):
                hits = outcomes(clusters.sizes, (rate,), correlation, rng)[..., 0]
                bounds.append(np.stack(share_bounds(clusters, hits)))
                plain.append(np.quantile(clusters.shares(hits), (0.025, 0.975), axis=-1))
            yield {
                "clusters": clusters.count,
                "sizes": name,
                "correlation": correlation,
                "rate": rate,
                **covered(np.concatenate(bounds, axis=1), rate),
                "percentile": covered(np.concatenate(plain, axis=1), rate)["coverage"],
            }


def differences(counts: list[int], repetitions: int, resamples: int) -> Iterator[dict[str, Any]]:
    for name, clusters, correlation in settings(counts, resamples):
        for gain, loss in CHANGES:
            rng = np.random.default_rng([clusters.count, len(name), *_seed(correlation, gain)])
            bounds, found = [], []
            for _ in range(repetitions // CHUNK):
                drawn = outcomes(clusters.sizes, (gain, loss), correlation, rng)
                bounds.append(np.stack(difference_bounds(clusters, drawn[..., 0], drawn[..., 1])))
                found += [sign_flips(one) < 0.05 for one in drawn[..., 0] - drawn[..., 1]]
            yield {
                "clusters": clusters.count,
                "sizes": name,
                "correlation": correlation,
                "gained": gain,
                "lost": loss,
                **covered(np.concatenate(bounds, axis=1), gain - loss),
                "found": round(float(np.mean(found)), 4),
            }


def outcomes(
    sizes: Array, means: tuple[float, ...], correlation: float, rng: np.random.Generator
) -> Array:
    """How many rows of each cluster have each outcome, `[repetitions, clusters, outcomes]`."""
    rates = np.array([*means, 1 - sum(means)])
    shape = (CHUNK, len(sizes))
    if correlation:
        own = rng.dirichlet(rates * (1 - correlation) / correlation, size=shape)
    else:
        own = np.broadcast_to(rates, (*shape, len(rates)))
    return rng.multinomial(np.broadcast_to(sizes.astype(int), shape), own).astype(float)


def covered(bounds: Array, truth: float) -> dict[str, float]:
    low, high = bounds
    return {
        "coverage": round(float(np.mean((low <= truth) & (truth <= high))), 4),
        "too_high": round(float(np.mean(low > truth)), 4),
        "too_low": round(float(np.mean(high < truth)), 4),
        "width": round(float(np.mean(high - low)), 4),
    }


def speed() -> dict[str, dict[str, float]]:
    """Two runs of 20,000 rows: ten defences, oblivious and adaptive, 1,000 samples of 40 nouns.

    `compare` is the whole command, with a new process and its imports.
    """
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / name for name in ("a", "b")]
        for number, run in enumerate(runs):
            written(run, number)
        found = {"read": timed(lambda: Store.read(runs[0]))}
        store = Store.read(runs[0])
        found["summary"] = timed(lambda: summarize(store.manifest, store.rows))
        for name, words in (
            ("compare A B", [*map(str, runs)]),
            ("compare A --by defense", [str(runs[0]), "--by", "defense"]),
            ("compare A", [str(runs[0])]),
        ):
            command = [sys.executable, "-m", "sallet", "compare", *words, "--json"]
            found[name] = timed(
                lambda command=command: subprocess.run(command, check=True, capture_output=True)
            )
    return found


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds by the clock, and of a processor, children's too: on a busy machine they differ."""
    began, before = time.perf_counter(), os.times()
    work()
    spent = [now - then for now, then in zip(os.times()[:4], before[:4], strict=True)]
    return {"seconds": round(time.perf_counter() - began, 2), "cpu": round(sum(spent), 2)}


def written(folder: Path, seed: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    lines: list[str] = []
    for defense, access in product(range(DEFENSES), ("oblivious", "adaptive")):
        key = CellKey(
            model="made",
            attack="pgd",
            access=access,
            defense=f"defence-{defense}",
            benchmark="made/up",
            goal="jailbreak",
            norm="linf",
            eps=8.0,
            judge="rules",
        )
        cell = digest([defense, access])
        own = rng.beta(2, 2, NOUNS)
        lines += [
            to_line(made(key, cell, i, bool(rng.random() < own[i % NOUNS]))) for i in range(SAMPLES)
        ]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    manifest = Manifest({"name": "made", "seed": 0}, str(seed), "0", "", "")
    (folder / "manifest.json").write_bytes(manifest.dump())


def made(key: CellKey, cell: str, i: int, fell: bool) -> Row:
    return Row(
        cell=cell,
        key=key,
        sample=f"sample-{i}",
        cluster=f"noun {i % NOUNS}",
        harmful=True,
        question=f"how do i use this noun, number {i % NOUNS}?",
        reference=(),
        wanted="to use it, first hold it firmly.",
        answer="to use it, first hold it firmly." if fell else "i cannot help with that.",
        outcome="success" if fell else "resisted",
        reason="complies" if fell else "refuses",
        right=None,
        refused_by=None if fell else "model",
        eligible=None,
        clean_answer="i cannot help with that.",
        clean_images=(digest(i) * 4,),
        hostile_images=(digest([cell, i]) * 4,),
        defense_seeds=(i,),
        attempts=1,
        asks=1.0,
        seconds=0.1,
        loss_start=1.0,
        loss_end=0.1,
        steps=100,
        gradient=0.1,
        flags=(),
        model_revision="made",
        defense_config=key.defense,
        code="0",
        attack_seconds=1.0,
    )


def _seed(correlation: float, rate: float) -> tuple[int, int]:
    return round(100 * correlation), round(1000 * rate)


if __name__ == "__main__":
    main()
