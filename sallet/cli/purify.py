"""`sallet purify`: clean files from files."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sallet.cli.progress import bar
from sallet.core.errors import UsageError

if TYPE_CHECKING:
    from sallet.purifiers.samplers import Sampler

CHUNK = 16


def purify(args: argparse.Namespace) -> int:
    """Exit code 0 if every picture was purified."""
    from sallet.core.query import Seeded
    from sallet.core.seeds import derive
    from sallet.media.encode import encode
    from sallet.media.file import open_image
    from sallet.purifiers.run import Clean, load
    from sallet.runs import files

    jobs = _jobs(args.images, args.out)
    cleans = _cleans(args.against, [source for source, _ in jobs])
    sampler = _sampler(args, load(args.purifier, args.device).card)
    work = Clean(args.purifier, sampler, args.device)
    seconds = 0.0
    with bar("purify") as moved:
        for start in range(0, len(jobs), CHUNK):
            part = jobs[start : start + CHUNK]
            items = [
                Seeded(open_image(source), derive(args.seed, "purify", source.name))
                for source, _ in part
            ]
            began = time.perf_counter()
            made = work(items)
            seconds += time.perf_counter() - began
            for (_, target), image in zip(part, made, strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                files.replace(target, encode(image, pack=True))
            moved(start + len(part), len(jobs), "purify")
    evaluations = sampler.evaluations
    print(f"{len(jobs)} purified, {evaluations} network evaluations each, in {seconds:.1f} s")
    near = _near([target for _, target in jobs], cleans) if cleans else {}
    if near:
        said = ", ".join(f"{key} {value:.4g}" for key, value in near.items())
        print(f"beside the clean pictures, in the mean: {said}")
    if args.json:
        found = {"n": len(jobs), "evaluations": evaluations, "seconds": round(seconds, 3)}
        print(json.dumps({**found, **near, "files": [str(target) for _, target in jobs]}))
    return 0


def _jobs(source: Path, out: Path) -> list[tuple[Path, Path]]:
    from sallet.cli.jobs import PICTURES

    if source.is_dir():
        found = sorted(p for p in source.iterdir() if p.suffix.lower() in PICTURES)
        if not found:
            raise UsageError(f"no picture in {source}: expected {', '.join(PICTURES)} files")
        targets = [out / f"{path.stem}.png" for path in found]
        twice = next((t for t in targets if targets.count(t) > 1), None)
        if twice is not None:
            raise UsageError(f"two pictures would be written as {twice}; rename one of them")
        return list(zip(found, targets, strict=True))
    if not source.exists():
        raise UsageError(f"there is no image and no folder at {source}")
    single = out if out.suffix.lower() == ".png" else out / f"{source.stem}.png"
    return [(source, single)]


def _cleans(against: Path | None, sources: Sequence[Path]) -> list[Path]:
    if against is None:
        return []
    if not against.is_dir():
        found = [against]
    else:
        stems = {path.stem: path for path in sorted(against.iterdir())}
        found = [stems.get(source.stem, against / source.name) for source in sources]
    missing = next((path for path in found if not path.is_file()), None)
    if missing is not None or len(found) != len(sources):
        raise UsageError(
            f"--against needs a clean picture for each of the {len(sources)}; there is no "
            f"{missing or 'folder of them'}"
        )
    return found


def _near(made: Sequence[Path], cleans: Sequence[Path]) -> dict[str, float]:
    from sallet.media.file import open_image
    from sallet.purifiers.quality import quality

    each = quality(*([open_image(path).tensor() for path in side] for side in (made, cleans)))
    found: dict[str, float] = {}
    for key in ("psnr", "ssim", "lpips"):
        values = [value for one in each if (value := getattr(one, key)) is not None]
        if values:
            found[key] = round(sum(values) / len(values), 4)
    return found


def _sampler(args: argparse.Namespace, card: Any) -> Sampler:
    from sallet.purifiers.samplers import Diffused, Flowing

    if card.kind == "diffusion":
        return Diffused(args.until, args.steps)
    noise = card.noise if args.noise is None else args.noise
    return Flowing(card.steps if args.steps is None else args.steps, noise)
