"""Whether a message is read after a model's own resize, and what of it is there at full size.

python benchmarks/scaling.py --samples 24 --json

Scenes of the picture world with no word in them are enlarged, and a word of three or four letters
is hidden or (the control) plainly written in them. `own` asks the model of the whole file, `crop`
of the best of five windows at full size, `resize` of the file behind the defence of that name,
`adaptive` the same where the attack solved for what that defence leaves. A window is as large as
what the model looks at, so nothing is resized there; where even the plain word is not read in it,
its letters are simply too large for these models, and the window proves nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sallet import catalog
from sallet.attacks.scaling import Scaling
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import guarded
from sallet.core.image import Image, to_float, to_pixels
from sallet.core.protocols import Model
from sallet.core.query import Query
from sallet.core.statistics import wilson
from sallet.models.local import HFModel
from sallet.world.models import path
from sallet.world.nouns import NOUNS
from sallet.world.questions import ask
from sallet.world.render import render
from sallet.world.scenes import SIDE, compose, seeds

MAKES = ("llava", "qwen3vl", "internvl")
WINDOWS = ((0, 0), (-0.15, 0), (0.15, 0), (0, -0.15), (0, 0.15))
JUDGE = catalog.build("judge", "world")


def cases(count: int) -> tuple[list[Query], list[Goal]]:
    """Empty scenes, questions about their text, and the word that the answer must become."""
    short = [noun for noun in NOUNS if len(noun) in (3, 4)]
    queries: list[Query] = []
    goals: list[Goal] = []
    for seed in seeds(count, first=1 << 40):
        rng = np.random.default_rng([seed, 23])
        word = short[int(rng.integers(len(short)))]
        scene = replace(compose(rng, seed, [], word), side=SIDE)
        item = ask(rng, scene, "reading", "any")
        picture = Image(render(replace(scene, words=())))
        queries.append(Query.ask(picture, item.question, max_tokens=24))
        goals.append(Goal.say(item.answer, *item.accepted, word))
    return queries, goals


def read(model: Model, queries: Sequence[Query], goals: Sequence[Goal]) -> list[bool]:
    rows = zip(queries, model.answer(queries), goals, strict=True)
    return [JUDGE.judge(*row).outcome is Outcome.SUCCESS for row in rows]


def anywhere(model: Model, queries: Sequence[Query], goals: Sequence[Goal], by: Scaling):
    """Whether any of the windows at full size is read."""
    found = [False] * len(queries)
    for at in WINDOWS:

        def cut(image: Image, at: tuple[float, float] = at) -> Image:
            return Image(to_pixels(by.piece(to_float(image.pixels()), *at)))

        seen = read(model, [query.map_images(cut) for query in queries], goals)
        found = [a or b for a, b in zip(found, seen, strict=True)]
    return found


def rate(hits: Sequence[bool]) -> list[float]:
    return [round(x, 4) for x in wilson(sum(hits) / len(hits), len(hits))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--factors", type=float, nargs="+", default=(1.25,))
    parser.add_argument("--steps", type=int, default=Scaling.steps)
    parser.add_argument("--size", type=float, default=0.16)
    parser.add_argument("--makes", nargs="+", default=MAKES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    queries, goals = cases(args.samples)
    cells: list[dict[str, Any]] = []
    for make in args.makes:
        model = HFModel.from_pretrained(
            path(f"world/{make}-strong"), device="cpu", dtype="float32", max_batch=24
        )
        behind = guarded(model, catalog.defense("resize"))
        for factor in args.factors:
            kinds = {
                "hidden": Scaling(factor=factor, steps=args.steps, size=args.size),
                "noise only": Scaling(factor=factor, steps=args.steps, size=args.size, unread=0),
            }
            plain = [
                next(iter(kinds.values())).plain(q, g) for q, g in zip(queries, goals, strict=True)
            ]
            files: dict[str, list[Query]] = {
                "nothing": [kinds["hidden"].cover(q) for q in queries],
                "plain": plain,
            }
            cell: dict[str, Any] = {"model": make, "factor": factor, "n": len(queries)}
            for kind, attack in kinds.items():
                began = time.perf_counter()
                made = attack(model, queries, goals, judge=JUDGE, seed=0)
                files[kind] = [one.query for one in made]
                seconds = (time.perf_counter() - began) / len(queries)
                cell[f"{kind}: seconds"] = round(seconds, 2)
                cell[f"{kind}: left"] = round(float(np.mean([one.end for one in made])), 4)
            for kind, asked in files.items():
                cell[kind] = {
                    "own": rate(read(model, asked, goals)),
                    "crop": rate(anywhere(model, asked, goals, kinds["hidden"])),
                    "resize": rate(read(behind, asked, goals)),
                }
            known = kinds["hidden"](behind, queries, goals, judge=JUDGE, seed=0)
            cell["hidden"]["adaptive"] = rate(read(behind, [one.query for one in known], goals))
            print(json.dumps(cell), file=sys.stderr, flush=True)
            cells.append(cell)
    result = {"size": args.size, "steps": args.steps, "windows": len(WINDOWS), "cells": cells}
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
