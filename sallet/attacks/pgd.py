"""Projected gradient descent (Madry et al. 2018, eq. 1) with momentum (Dong et al. 2018, eq. 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from sallet.attacks.descent import Descent
from sallet.attacks.momentum import gathered
from sallet.attacks.trial import Point, Trial
from sallet.core.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class PGD(Descent):
    """L-inf or L2 PGD on the pixels at the image's own size.

    What it wants is the goal's: leave the right answer (untargeted), say a given one (targeted),
    or stop refusing (jailbreak). Handed a `Guarded` it differentiates through the defence, with
    fresh defence seeds at every step (EOT, Athalye et al. 2018) and straight through the stages
    that have no gradient (BPDA). `momentum` is MI-FGSM's decay; the step falls linearly from
    `step` (None: eps) to a `fall`-th of it; `diversity` is the share of looks at a smaller copy
    (Xie et al. 2019), for images that are to be sent to another model.
    """

    name: ClassVar[str] = "pgd"
    momentum: float = 0.75
    fall: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise RecipeError(f"momentum must be in [0, 1); it is {self.momentum}")
        if not 0 < self.fall <= 1:
            raise RecipeError(f"fall must be in (0, 1]; it is {self.fall}")

    @property
    def first_step(self) -> float:
        """In 8-bit units."""
        return self.eps if self.step is None else self.step

    def size(self, at: int) -> float:
        """The step at iteration `at`, in [0,1] pixel units."""
        return self.first_step / 255 * (1 - (1 - self.fall) * at / self.steps)

    def move(self, trial: Trial, gradients: Point) -> Point:
        moved: Point = []
        for i, (point, gradient) in enumerate(zip(trial.seen, gradients, strict=True)):
            ahead = self.space.direction(gathered(trial.velocity[i], gradient, self.momentum))
            moved.append(torch.add(point, ahead, alpha=self.size(trial.steps)))
        return moved
