"""`Ensemble`: several white boxes as the one source of a transfer attack.

What fools all of several models is likelier to fool one more (Liu et al. 2017); the losses are
averaged (Dong et al. 2018, section 3.3.2, "ensemble in loss").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sallet.core.errors import ModelError, NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.protocols import Model, WhiteBox
from sallet.core.query import Answer, Failure, Query


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Gives the mean of its members' losses and no answers: a `source`, never to be evaluated.

    A loss is taken as it is. An encoder's is a distance, at most 2; beside models that answer,
    whose cross-entropies are larger, it weighs less.
    """

    members: tuple[Model, ...]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise RecipeError(f"an ensemble needs two members or more; got {len(self.members)}")
        for member in self.members:
            if not isinstance(member, WhiteBox):
                raise NoGradient(
                    f"{member.name!r} gives no gradient and cannot be part of an ensemble; name "
                    "local models and encoders"
                )

    @property
    def name(self) -> str:
        """The members' names."""
        return "+".join(member.name for member in self.members)

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        """A failure for each query, at no cost: nobody speaks for all."""
        error = ModelError(
            f"{self.name} is an ensemble and cannot answer; name it under sources, not under models"
        )
        return [Failure(error) for _ in queries]

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        """`[B]`: the mean over the members, on the CPU where they are on several devices."""
        losses = [m.loss(queries, goals).float() for m in self.members if isinstance(m, WhiteBox)]
        if len({loss.device for loss in losses}) > 1:
            losses = [loss.cpu() for loss in losses]
        return torch.stack(losses).mean(0)
