"""A probe before an attack: whether a guarded model is the same the second time it is asked."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sallet.core.errors import NoGradient
from sallet.core.goal import Goal
from sallet.core.guarded import Guarded
from sallet.core.protocols import WhiteBox
from sallet.core.query import Answer, Query

FEW = 3
CLOSE = 1e-3
"""Losses of the same thing that differ by more than this share are not rounding."""


def stateful(guarded: Guarded, queries: Sequence[Query], goals: Sequence[Goal]) -> bool:
    """Whether the same queries, on the same defence seeds, are answered or weighed otherwise twice.

    Then what an attack learned at one step is not true at the next, and what it broke may not be
    broken when it is asked about. A few queries are tried; a model that says of itself that it is
    not deterministic, or a sampled answer without a seed, is left out: those differ by themselves.
    A state that shows only after many calls is not seen.
    """
    few = [
        (query, goal)
        for query, goal in zip(queries, goals, strict=True)
        if query.sampling.temperature == 0 or query.sampling.seed is not None
    ][:FEW]
    if not few or not getattr(guarded.model, "deterministic", True):
        return False
    asked, wanted = [query for query, _ in few], [goal for _, goal in few]
    if _said(guarded, asked) != _said(guarded, asked):
        return True
    if not isinstance(guarded.model, WhiteBox) or guarded.defense.gradient == "none":
        return False
    try:
        with torch.no_grad():
            first, second = (guarded.loss(asked, wanted).float() for _ in range(2))
    except NoGradient:
        return False
    return not torch.allclose(first, second, rtol=CLOSE, atol=CLOSE, equal_nan=True)


def _said(guarded: Guarded, queries: Sequence[Query]) -> list[tuple[str, str | None] | None]:
    """What was said and who refused; what failed says nothing of a state."""
    return [
        (answer.text, answer.refused_by) if isinstance(answer, Answer) else None
        for answer in guarded.answer(queries)
    ]
