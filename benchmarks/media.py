"""What the canonical stage costs beside bare Pillow, on the same files in the same run.

    python benchmarks/media.py --out results/bench-media.json --json

Bare Pillow opens the bytes, decodes them and resizes to the same size with the same filter. The
stage does that, and the checks, the flags and the digest. Both are timed in turns, one right after
the other, so that what else the machine does falls on both; the ratio is the median of the pairs,
by the clock and by the processor's time. The limit holds where an image is made smaller; where it
is kept as it is, bare Pillow only decodes, and the ratio says what the digest costs beside that.
Progress goes to stderr; with --json the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image as Pil
from scipy import stats

from sallet.core.image import Pixels
from sallet.media.canonical import canonical
from sallet.media.decode import FILTER
from sallet.media.encode import encode
from sallet.media.limits import Sees
from sallet.media.worker import Workers

MOST = 1.3  # times bare Pillow
FILES = {"512x512": (512, 512), "3840x2160": (2160, 3840)}
# LLaVA-1.5 sees 336 pixels a side; Qwen2.5-VL sees at most 1280 patches of 28x28 by default.
SEES = {
    "512x512": (Sees(side=336), None),
    "3840x2160": (Sees(pixels=1280 * 28 * 28), None),
}


def photograph(height: int, width: int) -> bytes:
    """A JPEG with soft shapes, edges and the noise of a camera; 4:2:0, quality 90."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (height // 24 + 1, width // 24 + 1, 3), dtype=np.uint8)
    soft = Pil.fromarray(small).resize((width, height), Pil.Resampling.BICUBIC)
    grain = rng.normal(0, 4, (height, width, 3))
    out = io.BytesIO()
    seen = (np.asarray(soft) + grain).clip(0, 255).astype(np.uint8)
    Pil.fromarray(seen).save(out, "JPEG", quality=90)
    return out.getvalue()


def bare(data: bytes, size: tuple[int, int]) -> Pil.Image:
    with Pil.open(io.BytesIO(data)) as image:
        if image.size == size:
            image.load()
            return image
        return image.resize(size, FILTER)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock, and of this process's own time."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - began) * 1e3, (time.process_time() - used) * 1e3


def paired(first: Callable[[], object], second: Callable[[], object], pairs: int) -> dict[str, Any]:
    """Medians of both, and of second / first with its 95 % interval; each goes first in turn."""
    first(), second()
    times: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for index in range(pairs):
        if index % 2:
            late = timed(second)
            times.append((timed(first), late))
        else:
            times.append((timed(first), timed(second)))
    ratios = [late[0] / early[0] for early, late in times]
    interval = stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return {
        "bare_ms": round(statistics.median(early[0] for early, _ in times), 3),
        "stage_ms": round(statistics.median(late[0] for _, late in times), 3),
        "ratio": round(statistics.median(ratios), 3),
        "interval": [round(interval.low, 3), round(interval.high, 3)],
        "cpu_ratio": round(statistics.median(late[1] / early[1] for early, late in times), 3),
    }


def measure(name: str, sees: Sees | None, pairs: int, workers: Workers) -> dict[str, Any]:
    data = photograph(*FILES[name])
    once = canonical(data, sees=sees)
    height, width = once.image.size
    size = (width, height)
    assert np.array_equal(np.asarray(bare(data, size).convert("RGB")), once.image.pixels())

    row = paired(lambda: bare(data, size), lambda: canonical(data, sees=sees).digest, pairs)
    apart = paired(
        lambda: canonical(data, sees=sees).digest,
        lambda: workers.canonical(data, sees=sees).digest,
        pairs,
    )
    few = max(3, min(pairs, 40) // 8)
    sent: dict[str, Any] = {}
    for way, make in {
        "stored": lambda: encode(once.image),
        "packed": lambda: encode(once.image, pack=True),
        "pillow_level_1": lambda: _by_pillow(once.image.pixels()),
    }.items():
        times = [timed(make)[0] for _ in range(few)]
        sent[way] = {"ms": round(statistics.median(times), 2), "bytes": len(make())}
    return {
        "file": name,
        "bytes": len(data),
        "seen": f"{width}x{height}",
        **row,
        "pairs": pairs,
        "worker_ms": apart["stage_ms"],
        "worker_over_here": apart["ratio"],
        "forward": sent,
    }


def _by_pillow(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Pil.fromarray(pixels).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def main() -> int:
    """Measures every file as a model sees it and as it is; exit code 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=400, help="of the small file; a tenth at 4K")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    parser.add_argument("--out", type=Path, help="a file for the JSON object")
    args = parser.parse_args()
    begun, rows = time.monotonic(), []
    with Workers() as workers:
        for name, sights in SEES.items():
            pairs = args.pairs if name == "512x512" else max(args.pairs // 10, 6)
            for sees in sights:
                row = measure(name, sees, pairs, workers)
                rows.append(row)
                low, high = row["interval"]
                print(
                    f"{row['file']} -> {row['seen']}: bare {row['bare_ms']:.2f} ms, stage "
                    f"{row['stage_ms']:.2f} ms, ratio {row['ratio']:.2f} [{low:.2f}-{high:.2f}], "
                    f"{row['cpu_ratio']:.2f} of processor time, "
                    f"in a worker {row['worker_ms']:.2f} ms; PNG stored "
                    f"{row['forward']['stored']['ms']:.1f} ms, packed "
                    f"{row['forward']['packed']['ms']:.1f} ms, by Pillow "
                    f"{row['forward']['pillow_level_1']['ms']:.1f} ms",
                    file=sys.stderr,
                )
    result = {
        "benchmark": "media",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {"PIL": PIL.__version__, "numpy": np.__version__},
        "most": MOST,
        "seconds": round(time.monotonic() - begun, 1),
        "rows": rows,
    }
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))
    smaller = [row for row in rows if row["seen"] != row["file"]]
    return 0 if all(row["ratio"] <= MOST for row in smaller) else 1


if __name__ == "__main__":
    raise SystemExit(main())
