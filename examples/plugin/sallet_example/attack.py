"""Darkens or lightens a whole picture within the budget, whichever the model minds more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sallet.core.goal import Goal, Outcome
from sallet.core.image import Image
from sallet.core.protocols import Going, Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query


@dataclass(frozen=True, kw_only=True)
class Darken:
    """By queries alone: it looks at nothing but answers. `eps` is in 8-bit units."""

    name: ClassVar[str] = "example/darken"
    norm: str = "linf"
    eps: float = 8.0

    def __call__(
        self, model: Model, queries: Sequence[Query], goals: Sequence[Goal], *,
        judge: Judge, seed: int, progress: Progress = silent,
    ) -> list[Hostile]:  # fmt: skip
        """One hostile query for each, in order; success is not claimed here but scored later."""
        made = [Hostile(query) for query in queries]
        for asks, step in enumerate((-self.eps, self.eps), start=1):
            tried = [query.map_images(lambda i, s=step: _shifted(i, s)) for query in queries]
            for k, answer in enumerate(model.answer(tried)):
                fell = judge.judge(tried[k], answer, goals[k]).outcome is Outcome.SUCCESS
                if fell or asks == 1:
                    made[k] = Hostile(tried[k], steps=asks, asks=asks)
            progress(Going(asks * len(queries), 2 * len(queries)))
        return made


def _shifted(image: Image, step: float) -> Image:
    moved = image.pixels().astype(np.int16) + round(step)
    return Image(np.clip(moved, 0, 255).astype(np.uint8))
