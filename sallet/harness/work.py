"""How much there is to do in each cell: what a bar and a dry run count before anything is done."""

from __future__ import annotations

from dataclasses import dataclass

from sallet.core.protocols import Attack
from sallet.harness.clean import VOTES
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan, PlannedCell
from sallet.runs.recipe import DefenseSpec

BARE = None


@dataclass(frozen=True)
class Work:
    """At most this many, for all samples of a cell; an attack stops where it has succeeded.

    `looked_at` is the defence that the attack looks through, `BARE` if it knows none.
    """

    answers: int  # of the guarded model
    checks: int  # answers that the attack asks for, and a source's of what was made on it
    gradients: int  # that it takes
    looked_at: DefenseSpec | None


def work(plan: Plan, parts: Parts) -> list[Work]:
    """One `Work` for each cell; what an earlier cell leaves behind is not done again."""
    made: set[str] = set()
    asked: set[str] = set()
    result: list[Work] = []
    for cell in plan.cells:
        defense = parts.defense(cell.defense, cell.pinned)
        hunted = cell.attack.goal is not None or cell.samples[0].harmful
        times = plan.recipe.resubmissions if hunted and defense.stochastic else 1
        answers = 0 if cell.attack.name == "none" and times == 1 else times
        arm = repr((cell.model, cell.benchmark, cell.defense))
        if arm not in asked:
            votes = VOTES if defense.stochastic and not cell.samples[0].harmful else 0
            answers += 1 + votes
            asked.add(arm)
        checks = gradients = 0
        looked_at = cell.defense if cell.key.access == "adaptive" else BARE
        if not cell.attack.blind:
            images = repr((cell.source or cell.model, cell.benchmark, cell.attack, looked_at))
            if images not in made:
                checks, gradients = _attack(cell, parts, looked_at)
                if cell.source:  # it says what it sees in them, and in what they were
                    clean = cell.attack.goal == "untargeted"
                    checks += len(cell.samples) * (2 if clean else 1)
                made.add(images)
        result.append(Work(answers * len(cell.samples), checks, gradients, looked_at))
    return result


def effort(cell: PlannedCell, todo: Work, parts: Parts) -> float:
    """One sample's share in units of a forward pass, roughly: a gradient counts for three."""
    copies = getattr(parts.defense(cell.defense), "copies", 1)
    through = copies if todo.looked_at else 1
    whole = todo.answers * copies + (todo.checks + 3 * todo.gradients) * through
    return whole / len(cell.samples) + 0.01  # reading and writing


def _attack(cell: PlannedCell, parts: Parts, looked_at: DefenseSpec | None) -> tuple[int, int]:
    """The answers and gradients that the attack wants for all samples, as its fields say."""
    attack = parts.attack(cell.attack)
    if cell.crafting:
        return _shared(attack, len(cell.crafting))
    budget: int | None = getattr(attack, "queries", None)
    if budget is not None:  # of an attack that only asks
        return len(cell.samples) * budget, 0
    random = looked_at is not None and parts.defense(looked_at, cell.pinned).stochastic
    steps: int = getattr(attack, "steps", 1)
    eot: int = getattr(attack, "eot", 1) if random else 1
    asks: int = getattr(attack, "confirm", 1) if random else 1
    checks, n = 1 + steps // getattr(attack, "check_every", steps), len(cell.samples)
    return n * asks * checks, n * steps * eot


def _shared(attack: Attack, crafting: int) -> tuple[int, int]:
    """The same of one thing for all samples: once, however many they are."""
    steps: int = getattr(attack, "steps", 0)
    every: int = getattr(attack, "check_every", 1)
    asked = min(getattr(attack, "asked", 0), crafting)
    return asked * -(-steps // every), steps * getattr(attack, "pairs", 1)
