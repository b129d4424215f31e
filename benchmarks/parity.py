"""How near each family's pixels are to its own processor's, and its gradient to the slope.

    python benchmarks/parity.py --out results/bench-parity.json --json

Tiny random checkpoints of the real classes: what is measured is preprocessing and gradients, which
do not depend on the weights' size. Progress goes to stderr; with --json the last line of stdout is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torchvision
import transformers

from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.models import parity, tiny
from sallet.models.local import HFModel

SCALINGS = {
    "down": ((301, 203), (640, 480), (97, 240)),
    "up": ((31, 45), (20, 50), (40, 33)),
    "same": ((tiny.SIDE, tiny.SIDE),),
}


def measure(family: str, folder: Path, *, slopes: int) -> dict[str, Any]:
    """The largest difference a picture and a scaling, and the slope errors of a few pictures."""
    model = HFModel.from_pretrained(tiny.save(family, folder / family))
    steps = {
        picture: {
            scaling: round(max(parity.steps_apart(model, make(*size)) for size in sizes), 3)
            for scaling, sizes in SCALINGS.items()
        }
        for picture, make in parity.PICTURES.items()
    }
    errors: list[float] = []
    for seed in range(slopes):
        pair = (parity.photograph(81, 70, seed), parity.writing(44, 55, seed))
        query = Query.ask(*map(Image, pair), "what is this?")
        errors.append(parity.slope_error(model, query, Goal.say("the red cat"), seed=seed))
    largest = max(value for row in steps.values() for value in row.values())
    return {
        "steps": steps,
        "largest": largest,
        "tolerance": round(parity.tolerance(model), 2),
        "slope_error": float(f"{max(errors):.2e}"),
    }


def main() -> int:
    """Measures every family; exit code 1 where a tolerance is broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--family", choices=tuple(tiny.FAMILIES), action="append")
    parser.add_argument("--slopes", type=int, default=3, help="pictures for the slope errors")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    parser.add_argument("--out", type=Path, help="a file for the JSON object")
    args = parser.parse_args()
    begun, families = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        for family in args.family or tiny.FAMILIES:
            row = measure(family, Path(folder), slopes=args.slopes)
            families[family] = row
            print(
                f"{family:<12} {row['largest']:.2f} of {row['tolerance']} 8-bit steps, "
                f"slope error {row['slope_error']:.1e}",
                file=sys.stderr,
            )
    result = {
        "benchmark": "parity",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {m.__name__: m.__version__ for m in (torch, torchvision, transformers)},
        "seconds": round(time.monotonic() - begun, 1),
        "families": families,
    }
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))
    kept = all(row["largest"] <= row["tolerance"] for row in families.values())
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
