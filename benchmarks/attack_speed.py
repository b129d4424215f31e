"""How soon attacks succeed: Sallet's PGD beside torchattacks, foolbox, ART and a plain loop.

pip install --no-deps --target .peers -r benchmarks/peers.txt
python benchmarks/attack_speed.py --peers .peers --json --out results/bench-attack_speed.json

Everybody attacks the same pictures with the same goals on the same model object, with its dtype and
threads, in batches of the same size and with the same number of steps. torchattacks runs twice: as
PGD, and with the momentum that ours has (MI-FGSM). The libraries attack classifiers, so they are
given a classifier that is the very objective: two classes, of which the wanted one has the
probability exp(-loss). Their clock is generous: it runs only from one of their forward passes to
the next, and stops at the step at which, as is found out afterwards and for free, 99 % of their own
final success was reached. (Final is what their last forward pass saw; the update after it is on
nobody's clock.) Ours runs through, with every question that it asks the model, and stops a picture
that fell. Each library has its best of three step sizes, found with the first seed and run with two
more; ours has its defaults.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from attack_libraries import LIBRARIES, Library, Objective
from torch import Tensor

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal, Outcome
from sallet.core.image import Image, to_pixels
from sallet.core.protocols import Going, Trace, trace
from sallet.core.query import Query

SHARE = 0.99
STEPS_TRIED = (0.25, 0.5, 1.0)  # of eps
SEEDS = (0, 1, 2)
ROUNDS = 15


@dataclass(frozen=True)
class Task:
    """What is attacked."""

    model: Any
    judge: Any
    queries: list[Query]
    goals: list[Goal]
    eps: float
    steps: int
    batch: int

    def rate(self, images: Sequence[Image]) -> float:
        """The share of these files that the model falls for."""
        asked = [q.with_images([x]) for q, x in zip(self.queries, images, strict=True)]
        answers = self.model.answer(asked)
        pairs = zip(asked, answers, self.goals, strict=True)
        return sum(self.judge.judge(*one).outcome is Outcome.SUCCESS for one in pairs) / len(asked)


def library(task: Task, run: Library, step: float, seed: int = 0) -> dict[str, Any]:
    """A library over all batches: success by step, and the seconds that it took to get there."""
    parts: list[Objective] = []
    for start in range(0, len(task.queries), task.batch):
        queries = task.queries[start : start + task.batch]
        clean = torch.stack([q.images[0].tensor() for q in queries])
        parts.append(Objective(task.model, queries, task.goals[start : start + task.batch]))
        torch.manual_seed(seed)
        run(parts[-1], clean, task.eps / 255, step / 255, task.steps)
    most = min(len(part.times) for part in parts) - 1
    known: dict[int, float] = {}

    def success(k: int) -> float:
        if k not in known:
            shown = [x for part in parts for x in part.shown[k]]
            known[k] = task.rate([Image(x.permute(1, 2, 0).contiguous().numpy()) for x in shown])
        return known[k]

    final = success(most)
    low, high = 0, most
    for k in range(0, most, 5):  # the first step, to five, from which it has enough
        if success(k) >= SHARE * final:
            high = k
            break
        low = k
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if success(middle) >= SHARE * final else (middle, high)
    return {
        "step": step, "seed": seed, "final": final, "steps_to": high,
        "seconds_to": sum(part.times[high] - part.times[0] for part in parts),
        "seconds_all": sum(part.times[most] - part.times[0] for part in parts),
    }  # fmt: skip


def ours(task: Task, seed: int = 0) -> dict[str, Any]:
    """Sallet's PGD, through to the end: when how many had fallen, its own questions included."""
    seen: list[tuple[float, float]] = []
    attack = PGD(eps=task.eps, steps=task.steps, batch=task.batch)
    began = time.perf_counter()

    def progress(going: Going) -> None:
        seen.append((time.perf_counter() - began, going.fell / going.samples))

    made = attack(
        task.model, task.queries, task.goals, judge=task.judge, seed=seed, progress=progress
    )
    seconds = time.perf_counter() - began
    final = task.rate([one.query.images[0] for one in made])
    looks = sum(one.looks for one in made)
    return {
        "final": final, "seconds_all": seconds, "looks": looks,
        "asks": sum(one.asks for one in made), "timeline": seen,
    }  # fmt: skip


def reached(run: dict[str, Any], rate: float) -> float:
    """The seconds until so many had fallen."""
    return next((when for when, share in run["timeline"] if share >= rate - 1e-9), math.inf)


def own_gaps(task: Task) -> list[float]:
    """Seconds of our steps with a full batch, and nothing asked in between."""
    times: list[float] = []
    attack = PGD(
        eps=task.eps, steps=task.steps, batch=task.batch, stop_early=False, check_every=task.steps
    )

    class Clocked:
        name = "clocked"

        def answer(self, queries: Sequence[Query]) -> Any:
            return task.model.answer(queries)

        def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
            return self.trace(queries, goals).loss

        def trace(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Any:
            times.append(time.perf_counter())
            loss = task.model.trace(queries, goals).loss
            return Trace(loss, (None,) * len(queries))  # no hint that it is worth asking

    attack(Clocked(), task.queries, task.goals, judge=task.judge, seed=0)
    return [b - a for a, b in itertools.pairwise(times)][: task.steps - 2]


def iterations(task: Task, names: Sequence[str]) -> dict[str, Any]:
    """Seconds of a step, ours and everybody's, in turn: a machine's pace is never the same twice.

    The ratio to each is the median over the rounds of theirs to ours, with the lowest and highest.
    """
    few = Task(
        task.model, task.judge, task.queries[: task.batch], task.goals[: task.batch], task.eps, 10,
        task.batch,
    )  # fmt: skip
    clean = torch.stack([q.images[0].tensor() for q in few.queries])
    rounds: dict[str, list[float]] = {name: [] for name in ("ours", *names)}
    for _ in range(ROUNDS):
        rounds["ours"].append(statistics.median(own_gaps(few)))
        for name in names:
            objective = Objective(few.model, few.queries, few.goals)
            LIBRARIES[name](objective, clean, few.eps / 255, few.eps / 8 / 255, few.steps)
            gaps = [b - a for a, b in itertools.pairwise(objective.times)]
            rounds[name].append(statistics.median(gaps[: few.steps - 2]))
    ratios = {
        name: sorted(t / own for t, own in zip(rounds[name], rounds["ours"], strict=True))
        for name in names
    }
    return {
        "seconds": {name: statistics.median(times) for name, times in rounds.items()},
        "ratios": {name: (statistics.median(r), r[0], r[-1]) for name, r in ratios.items()},
    }  # fmt: skip


def differential(task: Task) -> dict[str, float]:
    """Equal steps from an equal start: the mean final loss of ours and of torchattacks'."""
    import torchattacks as peer

    queries, goals = task.queries[: task.batch], task.goals[: task.batch]
    clean, step, steps = torch.stack([q.images[0].tensor() for q in queries]), task.eps / 8, 20
    objective = Objective(task.model, queries, goals)
    attack = peer.PGD(
        objective, eps=task.eps / 255, alpha=step / 255, steps=steps, random_start=False
    )
    attack.set_mode_targeted_by_label(quiet=True)
    theirs = attack(clean, torch.zeros(len(clean), dtype=torch.long))
    mine = PGD(
        eps=task.eps, steps=steps, step=step, fall=1.0, momentum=0.0, random_start=False,
        stop_early=False, check_every=steps, batch=task.batch,
    )(task.model, queries, goals, judge=task.judge, seed=0)  # fmt: skip

    def loss(images: Sequence[Image]) -> float:
        shown = [q.with_images([x]) for q, x in zip(queries, images, strict=True)]
        with torch.no_grad():
            return float(trace(task.model, shown, goals).loss.mean())

    files = [Image(to_pixels(x)) for x in theirs]
    return {
        "steps": steps, "n": len(queries), "theirs": loss(files),
        "ours": loss([one.query.images[0] for one in mine]),
    }  # fmt: skip


def measure(args: argparse.Namespace) -> dict[str, Any]:
    model, judge = catalog.build("model", args.model), catalog.build("judge", "world")
    samples = catalog.build("benchmark", "world/where").samples(3 * args.n, args.seed)
    samples = [s for s in samples if s.query.images[0].size == (192, 192)][: args.n]
    if len(samples) < args.n:
        raise SystemExit(f"only {len(samples)} pictures of one size; lower --n")
    task = Task(
        model, judge, [s.query for s in samples], [s.goals["targeted"] for s in samples],
        args.eps, args.steps, args.batch,
    )  # fmt: skip
    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    trace(model, task.queries[:2], task.goals[:2])  # what is done once is done before the clock
    mine = [ours(task)]
    say(f"ours: {mine[0]['final']:.3f} in {mine[0]['seconds_all']:.1f} s, {mine[0]['looks']} looks")
    rows: dict[str, Any] = {}
    for name in args.libraries:
        tried = [library(task, LIBRARIES[name], args.eps * share) for share in STEPS_TRIED]
        best = min(tried, key=lambda run: (-run["final"], run["seconds_to"]))
        runs = [best, *(library(task, LIBRARIES[name], best["step"], s) for s in SEEDS[1:])]
        rows[name] = {"tried": tried, "runs": runs}
        for run in (*tried, *runs[1:]):
            say(
                f"{name}, step {run['step']:g}, seed {run['seed']}: {run['final']:.3f}, 99 % of it "
                f"after {run['steps_to']} steps, {run['seconds_to']:.1f} s"
            )
        mine += [ours(task, seed) for seed in SEEDS]  # beside it: a machine's pace changes
        beside = mine[-len(SEEDS) :]
        ratios = sorted(
            run["seconds_to"] / reached(own, SHARE * run["final"])
            for run, own in zip(runs, beside, strict=True)
        )
        rows[name] |= {
            "ratio": statistics.median(ratios), "range": (ratios[0], ratios[-1]),
            "ours_seconds_to": [
                reached(own, SHARE * run["final"]) for run, own in zip(runs, beside, strict=True)
            ],
        }  # fmt: skip
    paces = iterations(task, args.libraries)
    peers = [name for name in rows if name != "plain"]
    for run in mine:
        del run["timeline"]
    return {
        "benchmark": "attack_speed", "machine": platform.machine(), "torch": torch.__version__,
        "threads": torch.get_num_threads(), "model": args.model, "n": args.n, "batch": args.batch,
        "eps": args.eps, "steps": args.steps, "goal": "targeted", "ours": mine,
        "libraries": rows,
        "time_to_success_ratio": min(rows[name]["ratio"] for name in peers),
        "iterations_ratio": min(paces["ratios"][name][0] for name in peers),
        "iterations": paces,
        "differential": differential(task) if "torchattacks" in args.libraries else None,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--eps", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--peers", type=Path, help="folder that the libraries were installed into")
    parser.add_argument("--libraries", nargs="*", default=[*LIBRARIES])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.peers:
        sys.path.append(str(args.peers))
    found = measure(args)
    text = json.dumps(found if args.json else {k: found[k] for k in (
        "time_to_success_ratio", "iterations_ratio", "differential"
    )})  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
