"""PGD for who knows that a defence votes: it wants as many views as win, and lets the others go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from sallet.attacks.pgd import PGD
from sallet.core.goal import Goal
from sallet.core.guarded import Guarded
from sallet.core.protocols import Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query


@dataclass(frozen=True, kw_only=True)
class Voters(PGD):
    """Where `pgd` lowers the mean loss of all views, this one lowers that of the weakest majority:
    the cluster of answers that is to win. Without a vote it is `pgd`."""

    name: ClassVar[str] = "pgd-vote"

    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> list[Hostile]:
        """One hostile query for each query, in order."""
        if isinstance(model, Guarded):
            model = replace(model, votes="majority")
        return super().__call__(model, queries, goals, judge=judge, seed=seed, progress=progress)
