"""Recall at one of two encoders before and after a joint attack on pictures and captions.

    python benchmarks/retrieval_attack.py --out results/bench-retrieval.json

`sga` (`sallet.attacks.sga`) makes pictures and captions hostile to one encoder; every encoder then
retrieves among all of them. So the figures of the encoder that they were made on are white-box, the
others' are transfer. Pictures are held-out scenes of the picture world with several true captions.

Two kinds of rewording: `swap`, one word in place of a near one, where words for things, places,
colours and numbers stay; and `true`, another caption that is true of the picture. Controls: uniform
noise of the same size, and a rewording drawn at random. Whether a retrieved caption is right is
decided by what stood in its place before the attack.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sallet import catalog
from sallet.attacks.sga import SGA, Pair, Rewordings, swaps
from sallet.attacks.threat import Threat, floats
from sallet.core.image import Image
from sallet.core.statistics import Rate, rate
from sallet.harness.revision import revision
from sallet.models.towers import Tower
from sallet.world.captions import every
from sallet.world.encoder import RETRIEVAL, drawn
from sallet.world.models import path
from sallet.world.nouns import NOUNS
from sallet.world.phrases import NUMBERS
from sallet.world.render import render
from sallet.world.scenes import COLOURS, PLACES, Scene, seeds

OWN, OTHER = "world/clip", "world/clip-surrogate"
WAYS = ("image_to_text", "text_to_image")


@dataclass(frozen=True)
class Shown:
    """What is retrieved among: pictures, and the captions of each."""

    images: tuple[Image, ...]
    captions: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Shown:
        return cls(tuple(p.image for p in pairs), tuple(p.captions for p in pairs))


def main() -> None:
    args = _arguments()
    began = time.perf_counter()
    towers = {OWN: catalog.build("model", OWN, device=args.device)}
    towers[OTHER] = Tower.from_pretrained(args.surrogate, name=OTHER, device=args.device)
    revisions = {name: revision(tower) for name, tower in towers.items()}
    if len({*revisions.values()}) < len(towers):
        sys.exit(f"the weights in {args.surrogate} are those of {OWN}: give another encoder's")
    scenes = [drawn(s) for s in seeds(args.pairs, first=(args.seed * 64 + RETRIEVAL) << 20)]
    rng = np.random.default_rng([args.seed, 4])
    pairs = [Pair(Image(render(s)), _captions(s, args.captions, rng)) for s in scenes]
    rows = list(_rows(towers, pairs, scenes, args))
    result = {
        "pairs": args.pairs, "captions": args.captions, "eps": args.eps, "steps": args.steps,
        "seed": args.seed, "encoders": revisions, "rows": rows,
        "seconds": round(time.perf_counter() - began, 1), "torch": torch.__version__,
    }  # fmt: skip
    for row in rows:
        print(_line(row), file=sys.stderr)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


def _rows(
    towers: dict[str, Tower], pairs: list[Pair], scenes: list[Scene], args: argparse.Namespace
) -> list[dict[str, Any]]:
    clean = Shown.of(pairs)
    rows = [_row(name, tower, clean, clean, case="clean") for name, tower in towers.items()]
    for eps in args.eps:
        noise = tuple(_noisy(pairs, eps, args.seed))
        for kind in args.rewordings:
            for source, tower in towers.items():
                reword = _rewordings(kind, tower, pairs, scenes)
                made = Shown.of(
                    SGA(eps=eps, steps=args.steps)(tower, pairs, reword=reword, seed=args.seed)
                )
                random = _drawn(pairs, reword, args.seed)
                cases = {
                    "pictures": Shown(made.images, clean.captions),
                    "captions": Shown(clean.images, made.captions),
                    "both": made,
                    "noise, pictures": Shown(noise, clean.captions),
                    "noise, captions": Shown(clean.images, random),
                    "noise, both": Shown(noise, random),
                }
                for name, other in towers.items():
                    what = {"made_on": source, "rewording": kind, "eps": eps}
                    rows += [_row(name, other, s, clean, case=c, **what) for c, s in cases.items()]
                print(f"eps {eps:g}, {kind}, made on {source}", file=sys.stderr)
    return rows


def _row(name: str, tower: Tower, shown: Shown, clean: Shown, **what: Any) -> dict[str, Any]:
    to_text, to_image = _recall(tower, shown, clean)
    return {**what, "measured_on": name, WAYS[0]: to_text, WAYS[1]: to_image}


@torch.no_grad()
def _recall(tower: Tower, shown: Shown, clean: Shown) -> tuple[Rate, Rate]:
    """Of pictures and of captions the share whose nearest is right; with 95 % intervals, captions
    clustered by their picture."""
    owner = [i for i, texts in enumerate(clean.captions) for _ in texts]
    stood = [text for texts in clean.captions for text in texts]
    now = [text for texts in shown.captions for text in texts]
    seen = torch.cat([tower.embed_images([i.tensor()]) for i in shown.images])
    said = torch.cat([tower.embed_texts(now[i : i + 512]) for i in range(0, len(now), 512)])
    alike = seen @ said.T
    to_text = [stood[int(j)] in clean.captions[i] for i, j in enumerate(alike.argmax(1))]
    to_image = [stood[j] in clean.captions[int(i)] for j, i in enumerate(alike.argmax(0))]
    first = rate(to_text, [str(i) for i in range(len(to_text))])
    second = rate(to_image, [str(i) for i in owner])
    assert first is not None
    assert second is not None
    return _short(first), _short(second)


def _rewordings(
    kind: str, tower: Tower, pairs: Sequence[Pair], scenes: Sequence[Scene]
) -> Rewordings:
    if kind == "swap":
        return swaps(tower, keep=_meant)
    known = {
        caption: every(scene)
        for pair, scene in zip(pairs, scenes, strict=True)
        for caption in pair.captions
    }
    return lambda caption: known[caption]


def _words(*names: str) -> frozenset[str]:
    return frozenset(word for name in names for word in name.lower().replace("-", " ").split())


MEANT = _words(*NOUNS, *PLACES, *COLOURS, *NUMBERS, "nothing") - _words("at on a the")


def _meant(word: str) -> bool:
    """Whether a word says what or where: another in its place would say another thing."""
    return word.lower() in MEANT


def _captions(scene: Scene, count: int, rng: np.random.Generator) -> tuple[str, ...]:
    first, *rest = every(scene)
    return (first, *(rest[int(i)] for i in rng.permutation(len(rest))[: count - 1]))


def _noisy(pairs: Sequence[Pair], eps: float, seed: int) -> list[Image]:
    threat = Threat("linf", eps)
    generator = torch.Generator().manual_seed(seed)
    clean = [floats(pair.image) for pair in pairs]
    return [threat.file(one, threat.start(one, generator)) for one in clean]


def _drawn(pairs: Sequence[Pair], reword: Rewordings, seed: int) -> tuple[tuple[str, ...], ...]:
    rng = np.random.default_rng([seed, 5])
    return tuple(
        tuple(_one(rng, [*reword(caption)] or [caption]) for caption in pair.captions)
        for pair in pairs
    )


def _one(rng: np.random.Generator, texts: Sequence[str]) -> str:
    return texts[int(rng.integers(len(texts)))]


def _short(value: Rate) -> Rate:
    one, low, high = (round(part, 4) for part in value)
    return one, low, high


def _line(row: dict[str, Any]) -> str:
    where = f"{row['made_on']} -> " if "made_on" in row else ""
    how = f"eps {row['eps']:g}, {row['rewording']}, " if "eps" in row else ""
    figures = "  ".join(
        f"{way.replace('_', ' ')} {row[way][0]:.0%} [{row[way][1]:.0%}-{row[way][2]:.0%}]"
        for way in WAYS
    )
    return f"{where}{row['measured_on']}: {how}{row['case']}: {figures}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--captions", type=int, default=3, help="of each picture")
    parser.add_argument("--eps", type=float, nargs="+", default=[8.0], help="in 8-bit units")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rewordings", nargs="+", default=["swap", "true"])
    parser.add_argument(
        "--surrogate", type=Path, default=path(OTHER), help="a second encoder's folder"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if unknown := {*args.rewordings} - {"swap", "true"}:
        parser.error(f"--rewordings are swap and true, not {', '.join(sorted(unknown))}")
    return args


if __name__ == "__main__":
    main()
