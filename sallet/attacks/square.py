"""Square attack: random squares, kept when they help (Andriushchenko et al. 2020, alg. 1 and 2)."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sallet.attacks.queries import QueryAttack
from sallet.attacks.searching import Search, Steps
from sallet.attacks.trial import Point
from sallet.core.errors import RecipeError

HALVED = (10, 50, 200, 1_000, 2_000, 4_000, 6_000, 8_000)
"""Where the share of pixels that a square covers is halved, in a search of 10,000 queries."""
AGAIN = 5
"""Every so many looks at a random defence, one more is taken at the point that is held."""
TRIES = 16


@dataclass(frozen=True, kw_only=True)
class Square(QueryAttack):
    """L-inf: every change is a square of one colour at a corner of the ball.

    It begins with stripes of one pixel's width. `share` is the part of the picture that the first
    squares cover; they shrink as the budget is used. A change is kept when the loss does not rise,
    so that a search by answers alone, where it is mostly flat, drifts instead of standing still.
    """

    name: ClassVar[str] = "square"
    share: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm != "linf":
            raise RecipeError(f"square searches in linf, not {self.norm!r}; nes takes both norms")
        if not 0 < self.share <= 1:
            raise RecipeError(f"share must be in (0, 1]; it is {self.share}")

    def covers(self, at: int) -> float:
        """The share of the picture that a square covers after `at` queries."""
        return self.share / 2 ** bisect_left(HALVED, at / self.queries * 10_000)

    def search(self, search: Search) -> Steps:
        held = [self._stripes(clean, search.generator) for clean in search.trial.clean]
        (loss,) = yield [held]
        looks = 1
        for at in itertools.count(1):
            if search.random and at % AGAIN == 0:
                (again,) = yield [held]
                if math.isfinite(again):
                    loss, looks = loss + (again - loss) / (looks + 1), looks + 1
                continue
            changed = self._squared(held, search)
            (new,) = yield [changed]
            if new <= loss:
                held, loss, looks = changed, new, 1

    def _stripes(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        channels, _, width = clean.shape
        signs = _signs((channels, 1, width), generator).expand_as(clean)
        return self.space.project(signs * self.eps / 255, clean)

    def _squared(self, held: Point, search: Search) -> Point:
        """One more square, on one of the images; drawn anew while it would change nothing."""
        generator, clean = search.generator, search.trial.clean
        which = _below(len(held), generator)
        channels, height, width = held[which].shape
        share = self.covers(search.spent)
        side = max(1, min(round(math.sqrt(share * height * width)), height, width))
        changed = held[which]
        for _ in range(TRIES):
            top, left = _below(height - side + 1, generator), _below(width - side + 1, generator)
            changed = held[which].clone()
            colour = _signs((channels, 1, 1), generator) * self.eps / 255
            changed[:, top : top + side, left : left + side] = colour
            changed = self.space.project(changed, clean[which])
            if not torch.equal(changed, held[which]):
                break
        return [changed if i == which else part for i, part in enumerate(held)]


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator) * 2.0 - 1


def _below(end: int, generator: torch.Generator) -> int:
    return int(torch.randint(0, end, (1,), generator=generator))
