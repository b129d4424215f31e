"""`smoothguard` against `smoothguard-paper`, on the same pictures in one run.

    python benchmarks/smoothing.py --out results/bench-smoothing.json

Half of the samples are as they are, half are hostile: PGD that knows no defence, made once.
`agreement` is how often both defences lead to the same verdict, `self_agreement` how often the
paper's version does with itself on two defence seeds. `passes` are model answers for one answer,
`wall_ratio` our time over the paper's, taken in turn. The sweep over sigma holds both against what
costs less: one noisy pass, a plain majority of the same copies, and one of the copies by lot;
`--plot FILE` draws it. What an attacker does who knows the defence is in recipes/defenses.yaml.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sallet import catalog
from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.guarded import guarded
from sallet.core.query import Answer, Failure, Query
from sallet.core.seeds import derive
from sallet.core.statistics import rate
from sallet.defenses.smoothguard import SmoothGuard, SmoothGuardPaper
from sallet.harness.revision import revision

SETS = (("world/where", "untargeted", 8.0), ("world/harmful-text", "jailbreak", 4.0))
CLEAN = ("world/where", "world/benign", "world/caption", "world/presence")


@dataclass(frozen=True)
class Case:
    """One question, what judges it, and whether somebody changed its picture."""

    query: Query
    goal: Goal
    cluster: str
    hostile: bool


@dataclass(frozen=True)
class Pass:
    """What one defence made of all cases."""

    answers: list[Answer | Failure]
    verdicts: list[Verdict]
    passes: float
    seconds: float


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    model = catalog.build("model", args.model)
    cases = _cases(model, args)
    print(f"{len(cases)} cases after {time.perf_counter() - began:.0f} s", file=sys.stderr)
    guarded(model, SmoothGuard()).answer([case.query for case in cases[:4]])  # loads what is lazy
    ours, paper, times = _in_turn(model, cases, args)
    again = _run(model, SmoothGuardPaper(), cases, args.seed + 1)
    same = [a.outcome == b.outcome for a, b in zip(ours.verdicts, paper.verdicts, strict=True)]
    itself = [a.outcome == b.outcome for a, b in zip(paper.verdicts, again.verdicts, strict=True)]
    clusters = [case.cluster for case in cases]
    result = {
        "model": args.model, "revision": revision(model), "n": len(cases), "each": args.each,
        "agreement": rate(same, clusters), "self_agreement": rate(itself, clusters),
        "passes": round(ours.passes, 3), "passes_paper": round(paper.passes, 3),
        "wall_ratio": round(times[0] / times[1], 3),
        "seconds": {"smoothguard": round(times[0], 1), "smoothguard-paper": round(times[1], 1)},
        "smoothguard": _shares(cases, ours.verdicts),
        "smoothguard-paper": _shares(cases, paper.verdicts),
        "none": _shares(cases, _run(model, catalog.defense("none"), cases, args.seed).verdicts),
        "sweep": [_sweep(model, cases, sigma, args) for sigma in args.sigmas],
        "threads": torch.get_num_threads(), "torch": torch.__version__, "seed": args.seed,
        "whole_seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    if args.plot:
        args.plot.write_text(plot(result["sweep"]))
    if args.json or not args.out:
        print(json.dumps(result))


def _cases(model: Any, args: argparse.Namespace) -> list[Case]:
    cases: list[Case] = []
    judge = catalog.build("judge", "world")
    for name in CLEAN:
        samples = catalog.build("benchmark", name).samples(args.each // 2, args.seed)
        cases += [Case(one.query, one.default, one.cluster, False) for one in samples]
    for name, kind, eps in SETS:
        samples = catalog.build("benchmark", name).samples(args.each, args.seed + 5)
        attack = PGD(eps=eps, steps=args.steps)
        goals = [sample.goals[kind] for sample in samples]
        made = attack(model, [s.query for s in samples], goals, judge=judge, seed=args.seed)
        cases += [
            Case(one.query, goal, sample.cluster, True)
            for one, goal, sample in zip(made, goals, samples, strict=True)
        ]
    return [
        replace(case, query=case.query.with_defense_seed(derive(args.seed, "case", i)))
        for i, case in enumerate(cases)
    ]


def _in_turn(model: Any, cases: list[Case], args: Any) -> tuple[Pass, Pass, tuple[float, float]]:
    """Both defences on one part of the cases after another: both meet the same disturbance."""
    parts: tuple[list[Pass], list[Pass]] = ([], [])
    for start in range(0, len(cases), args.part):
        part = cases[start : start + args.part]
        for done, defense in zip(parts, (SmoothGuard(), SmoothGuardPaper()), strict=True):
            done.append(_run(model, defense, part, args.seed))
    ours, paper = (_joined(done) for done in parts)
    return ours, paper, (ours.seconds, paper.seconds)


def _joined(parts: Sequence[Pass]) -> Pass:
    n = sum(len(part.answers) for part in parts)
    return Pass(
        [one for part in parts for one in part.answers],
        [one for part in parts for one in part.verdicts],
        sum(part.passes * len(part.answers) for part in parts) / n,
        sum(part.seconds for part in parts),
    )


def _run(model: Any, defense: Any, cases: Sequence[Case], seed: int) -> Pass:
    defended = guarded(model, defense)
    queries = [
        case.query.with_defense_seed(derive(case.query.defense_seed, "pass", seed))
        for case in cases
    ]
    began = time.perf_counter()
    answers = defended.answer(queries)
    seconds = time.perf_counter() - began
    return Pass(
        answers, _judged(cases, answers), defended.tally.items["model"] / len(cases), seconds
    )


def _judged(cases: Sequence[Case], answers: Sequence[Answer | Failure]) -> list[Verdict]:
    judge = catalog.build("judge", "world")
    return [judge.judge(c.query, a, c.goal) for c, a in zip(cases, answers, strict=True)]


def _shares(cases: Sequence[Case], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Utility of what nobody changed; success on what somebody did, by what was wanted."""
    pairs = list(zip(cases, verdicts, strict=True))

    def share(kept: Callable[[Case], bool], hit: Outcome) -> Any:
        found = [(case, verdict) for case, verdict in pairs if kept(case)]
        return rate([v.outcome is hit for _, v in found], [c.cluster for c, _ in found])

    return {
        "utility": share(lambda case: not case.hostile, Outcome.RESISTED),
        "asr_untargeted": share(
            lambda case: case.hostile and case.goal.kind == "untargeted", Outcome.SUCCESS
        ),
        "asr_jailbreak": share(
            lambda case: case.hostile and case.goal.kind == "jailbreak", Outcome.SUCCESS
        ),
    }


def _sweep(model: Any, cases: Sequence[Case], sigma: float, args: Any) -> dict[str, Any]:
    """All arms at one sigma; those that need no more than the paper's copies are read off them."""
    cases = cases[:: args.thin]
    paper = _run(model, SmoothGuardPaper(sigma=sigma), cases, args.seed)
    ours = _run(model, SmoothGuard(sigma=sigma), cases, args.seed)
    draw = random.Random(args.seed)

    def of_copies(pick: Callable[[Sequence[Answer]], Answer]) -> dict[str, Any]:
        chosen = [pick(a.copies[1:]) if isinstance(a, Answer) else a for a in paper.answers]
        return _shares(cases, _judged(cases, chosen))

    found = {
        "sigma": sigma, "n": len(cases), "passes": round(ours.passes, 3),
        "smoothguard": _shares(cases, ours.verdicts),
        "smoothguard-paper": _shares(cases, paper.verdicts),
        "noise": of_copies(lambda copies: copies[0]),
        "majority": of_copies(_majority),
        "lot": of_copies(draw.choice),
    }  # fmt: skip
    print(f"sigma {sigma:g}: {ours.passes:.2f} passes", file=sys.stderr)
    return found


def _majority(copies: Sequence[Answer]) -> Answer:
    said = [" ".join(copy.text.lower().split()) for copy in copies]
    ((winner, _),) = Counter(said).most_common(1)
    return copies[said.index(winner)]


ARMS = {
    "smoothguard": "#1b6ca8", "smoothguard-paper": "#c1440e", "majority": "#3c8d40",
    "noise": "#7a5195", "lot": "#777777",
}  # fmt: skip
SHOWN = (
    ("utility", "utility"),
    ("asr_untargeted", "ASR, untargeted"),
    ("asr_jailbreak", "ASR, jailbreak"),
)
WIDE, HIGH, LEFT, TOP, GAP = 230, 170, 40, 28, 40


def plot(sweep: Sequence[dict[str, Any]]) -> str:
    """Three panels over sigma, a line an arm."""
    most = max(row["sigma"] for row in sweep)
    parts: list[str] = []
    for number, (key, title) in enumerate(SHOWN):
        left = LEFT + number * (WIDE + GAP)
        parts.append(f'<text x="{left}" y="{TOP - 10}" font-weight="bold">{title}</text>')
        for share in (0, 0.5, 1):
            y = TOP + HIGH * (1 - share)
            parts.append(f'<path d="M{left} {y}h{WIDE}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{share:g}</text>')
        for row in sweep:
            x = left + WIDE * row["sigma"] / most
            place = f'x="{x:.0f}" y="{TOP + HIGH + 16}" text-anchor="middle"'
            parts.append(f"<text {place}>{row['sigma']:g}</text>")
        for arm, colour in ARMS.items():
            points = " ".join(
                f"{left + WIDE * row['sigma'] / most:.1f},{TOP + HIGH * (1 - row[arm][key][0]):.1f}"
                for row in sweep
            )
            line = f'fill="none" stroke="{colour}" stroke-width="2"'
            parts.append(f'<polyline points="{points}" {line}/>')
    for number, (arm, colour) in enumerate(ARMS.items()):
        x, y = LEFT + number * 150, TOP + HIGH + 42
        parts.append(f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{arm}</text>')
    size = f'width="{LEFT + 3 * (WIDE + GAP)}" height="{TOP + HIGH + 54}"'
    style = 'font-family="sans-serif" font-size="11"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style} role="img" '
        'aria-label="utility and attack success over the noise sigma">'
        '<rect width="100%" height="100%" fill="white"/>' + "".join(parts) + "</svg>\n"
    )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="world/llava-strong")
    parser.add_argument("--each", type=int, default=40, help="samples of each hostile set")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--part", type=int, default=20, help="cases between turns")
    parser.add_argument("--thin", type=int, default=2, help="each so-many-th case in the sweep")
    parser.add_argument("--sigmas", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.3, 0.5])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
