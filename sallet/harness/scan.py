"""The preset of `sallet scan`: what a stranger can try on an endpoint without knowing its weights.

Everything is of the picture world, so nothing has to be fetched and nothing harmful is in it but
nouns: what is found is a gap in the model's guard, not a measure of its danger.
"""

from __future__ import annotations

from typing import Any, Final

from sallet.attacks.template import Template
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, PlannedCell
from sallet.harness.work import work

SOURCE: Final = "world/llava-strong"
MOST: Final = 50
"""Samples of each cell, however many calls there are."""
QUERIES: Final = 20
HARMFUL: Final = ("world/harmful-text", "world/picture", "world/typographic")
BENIGN: Final = ("world/benign", "world/where")


def recipe(
    name: str, url: str, calls: int, *, limit: int, seed: int = 0, judge: str | None = None,
    concurrency: int = 8,
) -> dict[str, Any]:  # fmt: skip
    """The scan as a recipe that anyone can run again."""
    target = {
        "name": name, "target": "sallet.harness.budget:endpoint", "model": name, "base_url": url,
        "calls": calls, "max_concurrency": concurrency,
    }  # fmt: skip
    jailbreak = {"goal": "jailbreak", "benchmarks": ["world/harmful-text"]}
    lost = {"goal": "untargeted", "benchmarks": ["world/where"], "eps": 16}
    return {
        "name": "scan",
        "seed": seed,
        "models": [target],
        "sources": [SOURCE],
        "benchmarks": [{"name": one, "limit": limit} for one in (*HARMFUL, *BENIGN)],
        "attacks": [
            "none",
            # One question each: the calls are few, and what was lucky is found out afterwards.
            {"name": "template", **jailbreak, "access": ["oblivious"], "confirm": 1},
            {"name": "figstep", **jailbreak},
            {"name": "typo", **jailbreak},
            {"name": "uniform-noise", **lost},
            {"name": "pgd", **lost, "steps": 50, "access": ["transfer"]},
            {"name": "square", **lost, "queries": QUERIES, "access": ["oblivious"]},
        ],
        **({"judge": judge} if judge else {}),
    }


def estimate(planned: Plan, parts: Parts) -> int:
    """The most calls that a plan can take of its endpoint; a transfer's crafting takes none."""
    total = 0
    for cell, todo in zip(planned.cells, work(planned, parts), strict=True):
        total += todo.answers + (0 if cell.source else _asked(cell, parts))
    return total


def _asked(cell: PlannedCell, parts: Parts) -> int:
    attack = parts.attack(cell.attack)
    if isinstance(attack, Template):
        return len(cell.samples) * len(attack.chosen)
    return len(cell.samples) * int(cell.attack.params.get("queries") or 0)
