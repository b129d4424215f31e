"""Stops a run of 500 rows again and again, by `kill -9` and by a full disk, and compares its rows.

    python benchmarks/stopped.py [--kills 20] [--json] [--out FILE]

The run that nothing stops is made first. Another one is killed at random points, resumed after each
kill; a third one is written to a small tmpfs (this needs root) that is given more room after every
failure. Each must end in exactly the rows of the first: same order, same content, times apart.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from sallet.runs import files
from sallet.runs.manifest import commit, machine
from sallet.runs.store import read_rows

RECIPE: dict[str, Any] = {
    "name": "stopped",
    "models": ["world/llava-strong"],
    "benchmarks": [{"name": "world/where", "limit": 125}],
    "attacks": ["none", {"name": "uniform-noise", "goal": "untargeted", "eps": 8}],
    "defenses": ["none", {"name": "noise", "sigma": 0.05}],
    "attack_batch": 8,
}
ROWS = 500
TIMES = ("seconds", "attack_seconds", "cached")
ROOM = 400  # kilobytes of the small disk, at first
MORE = 1.6  # times that, after each failure
PATIENCE = 1800.0


def main() -> int:
    parser = argparse.ArgumentParser(description="a run, stopped again and again")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = folder / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(RECIPE))
        whole, seconds = folder / "whole", time.monotonic()
        finished(begin(recipe, whole))
        seconds = time.monotonic() - seconds
        wanted = rows(whole)
        killed = by_kill(recipe, folder / "killed", args.kills, args.seed, wanted)
        full = by_full_disk(recipe, folder, wanted)
    found = {
        "rows": len(wanted),
        "whole_seconds": round(seconds, 1),
        "killed": killed,
        "full_disk": full,
        "commit": commit(),
        "machine": machine(),
    }
    text = json.dumps(found)
    if args.out:
        files.replace(args.out, (json.dumps(found, indent=1) + "\n").encode())
    print(text if args.json else json.dumps(found, indent=1))
    same = [killed["same_rows"], *([full["same_rows"]] if full else [])]
    return 0 if len(wanted) == ROWS and all(same) else 1


def by_kill(
    recipe: Path, out: Path, kills: int, seed: int, wanted: list[dict[str, Any]]
) -> dict[str, Any]:
    """Kills after a random number of new rows, from a random moment of the batch after them."""
    draw = random.Random(seed)
    points: list[int] = []
    for number in range(kills):
        process = begin(recipe, out)
        there = count(out)
        target = there + draw.randint(0, max(1, (ROWS - there) // (kills - number)))
        waited = wait_for(process, out, target)
        time.sleep(draw.random() * 0.5 if waited else 0)
        process.kill()
        process.wait()
        points.append(count(out))
        say(f"kill {number + 1} of {kills}: {points[-1]} rows")
    finished(begin(recipe, out))
    return {"kills": kills, "rows_at_kill": points, "same_rows": rows(out) == wanted}


def by_full_disk(recipe: Path, folder: Path, wanted: list[dict[str, Any]]) -> dict[str, Any] | None:
    """None where no tmpfs may be mounted."""
    room, failures = float(ROOM), 0
    messages: list[str] = []
    with small_disk(folder / "disk", room) as disk:
        if disk is None:
            say("no tmpfs can be mounted here (it needs root): the full disk is left out")
            return None
        out = disk / "run"
        while True:
            process = begin(recipe, out)
            _, error = process.communicate(timeout=PATIENCE)
            if process.returncode == 0:
                break
            failures += 1
            last = error.splitlines()[-1].replace(str(out), "RUN")
            messages.append(re.sub(r"[0-9a-f]{64}", "DIGEST", last))
            say(f"{room:.0f} kB were too few: {messages[-1][:120]}")
            room *= MORE
            subprocess.run(["mount", "-o", f"remount,size={room:.0f}k", str(disk)], check=True)
        return {
            "failures": failures,
            "messages": sorted({one.split(";")[0] for one in messages}),
            "same_rows": rows(out) == wanted,
        }


@contextmanager
def small_disk(path: Path, kilobytes: float) -> Iterator[Path | None]:
    path.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes:.0f}k", "tmpfs", str(path)]
    if subprocess.run(words, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def begin(recipe: Path, out: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "sallet", "evaluate", str(recipe), "--out", str(out), "--json"]
    words += ["--no-cache", *(["--resume"] if (out / "manifest.json").exists() else [])]
    return subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def finished(process: subprocess.Popen[str]) -> None:
    _, error = process.communicate(timeout=PATIENCE)
    if process.returncode != 0:
        raise SystemExit(f"a run that nothing stopped failed: {error[-500:]}")


def wait_for(process: subprocess.Popen[str], out: Path, wanted: int) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if count(out) >= wanted:
            return True
        time.sleep(0.02)
    return False


def count(out: Path) -> int:
    path = out / "rows.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def rows(out: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in asdict(row).items() if k not in TIMES} for row in read_rows(out)]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
