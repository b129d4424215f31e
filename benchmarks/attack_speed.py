"""How soon attacks succeed: Sallet's PGD beside torchattacks, foolbox, ART and a plain loop.

pip install --no-deps --target .peers -r benchmarks/peers.txt
python benchmarks/attack_speed.py --peers .peers --json --out results/bench-attack_speed.json

Everybody attacks the same pictures with the same goals on the same model object, with its dtype and
threads, in batches of the same size and with the same number of steps. The libraries attack
classifiers, so they are given a classifier that is the very objective: two classes, of which the
wanted one has the probability exp(-loss). Their clock is generous: it runs only from one of their
forward passes to the next, and stops at the step at which, as is found out afterwards and for free,
99 % of their own final success was reached. Ours runs through, with every question that it asks the
model. Each library has its best of three step sizes; ours has its defaults.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal, Outcome
from sallet.core.image import Image, to_pixels
from sallet.core.protocols import Going, trace
from sallet.core.query import Query

SHARE = 0.99
STEPS_TRIED = (0.0625, 0.125, 0.25)  # of eps


@dataclass
class Objective(nn.Module):
    """A classifier of two classes whose cross-entropy for class 0 is the model's own loss."""

    model: Any
    queries: Sequence[Query]
    goals: Sequence[Goal]
    times: list[float] = field(default_factory=list)
    shown: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        nn.Module.__init__(self)
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)

    def __hash__(self) -> int:
        return id(self)

    def forward(self, seen: Tensor) -> Tensor:
        self.times.append(time.perf_counter())
        self.shown.append((seen.detach() * 255).round().clamp(0, 255).byte())
        shown = [q.with_images([Image(x)]) for q, x in zip(self.queries, seen, strict=True)]
        loss = trace(self.model, shown, self.goals).loss.clamp_min(1e-6)
        return torch.stack([-loss, torch.log(-torch.expm1(-loss))], 1)


Library = Callable[[Objective, Tensor, float, float, int], object]


def torchattacks(
    objective: Objective, clean: Tensor, eps: float, step: float, steps: int
) -> object:
    import torchattacks as library

    attack = library.PGD(objective, eps=eps, alpha=step, steps=steps, random_start=True)
    attack.set_mode_targeted_by_label(quiet=True)
    return attack(clean, torch.zeros(len(clean), dtype=torch.long))


def foolbox(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    import foolbox as library

    attack = library.attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=True)
    model = library.PyTorchModel(objective, bounds=(0, 1))
    wanted = library.criteria.TargetedMisclassification(torch.zeros(len(clean), dtype=torch.long))
    return attack.run(model, clean, wanted, epsilon=eps)


def art(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    shape = tuple(clean.shape[1:])
    model = PyTorchClassifier(
        objective, nn.CrossEntropyLoss(), input_shape=shape, nb_classes=2, clip_values=(0, 1),
        device_type="cpu",
    )  # fmt: skip
    attack = ProjectedGradientDescentPyTorch(
        model, eps=eps, eps_step=step, max_iter=steps, targeted=True, num_random_init=1,
        batch_size=len(clean), verbose=False,
    )  # fmt: skip
    wanted = torch.tensor([[1.0, 0.0]]).repeat(len(clean), 1).numpy()
    return attack.generate(clean.numpy(), y=wanted)


def plain(objective: Objective, clean: Tensor, eps: float, step: float, steps: int) -> object:
    """The loop that everybody writes first."""
    generator = torch.Generator().manual_seed(0)
    change = (torch.rand(clean.shape, generator=generator) * 2 - 1) * eps
    seen = (clean + change).clamp(0, 1)
    for _ in range(steps):
        seen.requires_grad_()
        loss = nn.functional.cross_entropy(
            objective(seen), torch.zeros(len(clean), dtype=torch.long), reduction="sum"
        )
        (gradient,) = torch.autograd.grad(loss, seen)
        moved = seen.detach() - step * gradient.sign()
        seen = (clean + (moved - clean).clamp(-eps, eps)).clamp(0, 1)
    return seen


LIBRARIES: dict[str, Library] = {
    "torchattacks": torchattacks, "foolbox": foolbox, "art": art, "plain": plain,
}  # fmt: skip


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


def library(task: Task, run: Library, step: float) -> dict[str, Any]:
    """A library over all batches: success by step, and the seconds that it took to get there."""
    parts: list[Objective] = []
    for start in range(0, len(task.queries), task.batch):
        queries = task.queries[start : start + task.batch]
        clean = torch.stack([q.images[0].tensor() for q in queries])
        parts.append(Objective(task.model, queries, task.goals[start : start + task.batch]))
        torch.manual_seed(0)
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
    gaps = [b - a for part in parts for a, b in zip(part.times, part.times[1:], strict=False)]
    return {
        "step": step, "final": final, "steps_to": high,
        "seconds_to": sum(part.times[high] - part.times[0] for part in parts),
        "seconds_all": sum(part.times[most] - part.times[0] for part in parts),
        "iteration": statistics.median(gaps),
    }  # fmt: skip


def ours(task: Task, **settings: Any) -> dict[str, Any]:
    """Sallet's PGD, through to the end: when how many had fallen, its own questions included."""
    seen: list[tuple[float, float]] = []
    attack = PGD(eps=task.eps, steps=task.steps, batch=task.batch, **settings)
    began = time.perf_counter()

    def progress(going: Going) -> None:
        seen.append((time.perf_counter() - began, going.fell / going.samples))

    made = attack(task.model, task.queries, task.goals, judge=task.judge, seed=0, progress=progress)
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


def iteration(task: Task) -> float:
    """Seconds of one of our steps with a full batch, and nothing asked in between."""
    few = Task(
        task.model, task.judge, task.queries[: task.batch], task.goals[: task.batch], task.eps,
        12, task.batch,
    )  # fmt: skip
    times: list[float] = []
    attack = PGD(eps=few.eps, steps=few.steps, batch=few.batch, stop_early=False, check_every=12)

    class Clocked:
        name = "clocked"

        def answer(self, queries: Sequence[Query]) -> Any:
            return few.model.answer(queries)

        def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
            return self.trace(queries, goals).loss

        def trace(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Any:
            times.append(time.perf_counter())
            return few.model.trace(queries, goals)

    attack(Clocked(), few.queries, few.goals, judge=few.judge, seed=0)
    # The last look takes no gradient, and no step that is timed asks the model anything.
    gaps = [b - a for a, b in itertools.pairwise(times)][: few.steps - 2]
    return statistics.median(gaps)


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
    mine = ours(task)
    say(f"ours: {mine['final']:.3f} in {mine['seconds_all']:.1f} s, {mine['looks']} looks")
    found: dict[str, list[dict[str, Any]]] = {}
    for name in args.libraries:
        found[name] = [library(task, LIBRARIES[name], args.eps * s) for s in STEPS_TRIED]
        for one in found[name]:
            say(
                f"{name}, step {one['step']:g}: {one['final']:.3f}, 99 % of it after "
                f"{one['steps_to']} steps, {one['seconds_to']:.1f} s"
            )
    again = ours(task)  # the machine may have changed its pace in between
    best = {
        name: min(runs, key=lambda r: (-r["final"], r["seconds_to"]))
        for name, runs in found.items()
    }
    rows: dict[str, Any] = {}
    for name, one in best.items():
        wanted = SHARE * one["final"]
        own = [reached(run, wanted) for run in (mine, again)]
        rows[name] = {
            **one, "ours_seconds_to": own, "ratio": one["seconds_to"] / statistics.mean(own),
            "tried": found[name],
        }  # fmt: skip
    step = iteration(task)
    peers = {name: row for name, row in rows.items() if name != "plain"}
    for run in (mine, again):
        del run["timeline"]
    return {
        "benchmark": "attack_speed", "machine": platform.machine(), "torch": torch.__version__,
        "threads": torch.get_num_threads(), "model": args.model, "n": args.n, "batch": args.batch,
        "eps": args.eps, "steps": args.steps, "goal": "targeted", "ours": [mine, again],
        "libraries": rows,
        "time_to_success_ratio": min(row["ratio"] for row in peers.values()),
        "iterations_ratio": min(row["iteration"] for row in peers.values()) / step,
        "iteration": step,
        "differential": differential(task) if "torchattacks" in args.libraries else None,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--eps", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=100)
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
