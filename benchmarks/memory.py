"""Peak memory of many large photographs through a smoothing defence.

Every photograph is a file of 2,000 x 1,500 pixels; the defence asks about 11 noisy copies of each.
The model really looks at every pixel of every copy (its answer is their mean brightness).

    python benchmarks/memory.py --queries 500 --json
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pil

from sallet.core.guarded import guarded
from sallet.core.query import Answer, Query
from sallet.defenses.majority import Majority
from sallet.media.file import open_image

SIDE = (1500, 2000)
FILES = 8  # distinct photographs; each query opens its own


class Brightness:
    """A model that says how bright a picture is."""

    name = "brightness"
    seen = 0

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        answers = []
        for query in queries:
            Brightness.seen += 1
            answers.append(Answer(f"{query.images[0].pixels().mean():.0f}"))
        return answers


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--copies", type=int, default=11)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.png" for i in range(FILES)]
        for i, file in enumerate(files):
            rng = np.random.default_rng(i)
            small = rng.integers(0, 256, (SIDE[0] // 10, SIDE[1] // 10, 3), dtype=np.uint8)
            Pil.fromarray(small).resize(SIDE[::-1]).save(file, compress_level=1)
        queries = [
            Query.ask(open_image(files[i % FILES]), "how bright is it?").with_defense_seed(i)
            for i in range(args.queries)
        ]
        before, began = peak_mb(), time.perf_counter()
        model = guarded(Brightness(), Majority(copies=args.copies))
        answers = model.answer(queries)
        seconds = time.perf_counter() - began
    assert all(isinstance(answer, Answer) for answer in answers), answers[0]
    result = {
        "queries": args.queries,
        "pixels": f"{SIDE[1]}x{SIDE[0]}",
        "copies": args.copies,
        "views_looked_at": Brightness.seen,
        "peak_mb": round(peak_mb()),
        "before_mb": round(before),
        "all_views_at_once_mb": round(args.queries * args.copies * SIDE[0] * SIDE[1] * 3 / 2**20),
        "seconds": round(seconds, 1),
        "torch": torch.__version__,
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{args.queries} photographs x {args.copies} copies: peak {result['peak_mb']} MB "
        f"in {result['seconds']} s",
        file=sys.stderr,
    )
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
