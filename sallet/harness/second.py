"""A second judge looks at every answer that decided a row; rates use the first one alone.

Where two judges say different things, at least one is wrong: how often they do is printed beside
the rates, so that nobody takes one judge's error for a property of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.goal import Goal
from sallet.core.protocols import Judge
from sallet.core.query import Query
from sallet.harness.asking import Reply, judged_all
from sallet.runs.recipe import Recipe

NOBODY = "none"


@dataclass(frozen=True)
class Second:
    """Who looked again, and what was said."""

    judge: str = ""
    outcome: str = ""
    reason: str = ""


def second_name(recipe: Recipe, first: str) -> str | None:
    """The second judge beside this first one: the recipe's, or one that reads words alone.

    `rules` stands beside every other judge; beside `rules` stands what the field counts with.
    """
    if recipe.second_judge:
        return None if recipe.second_judge in (NOBODY, first) else recipe.second_judge
    return "keywords" if first == "rules" else "rules"


def seconded(judge: Judge | None, items: Sequence[tuple[Query, Reply, Goal]]) -> list[Second]:
    """The second view of each, in order."""
    if judge is None:
        return [Second() for _ in items]
    found = judged_all(judge, items)
    return [Second(judge.name, verdict.outcome.value, verdict.reason) for verdict in found]
