"""Attacks on the purifier as it is at this very step: what adversarial training learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sallet.core.errors import RecipeError
from sallet.core.goal import Goal
from sallet.core.image import Image, to_float, to_pixels
from sallet.models.local import HFModel
from sallet.train.pairs import Pair

Walk = Callable[[Tensor, int], Tensor]
"""A `[3,h,w]` picture and a seed to the purified one, with a graph."""
LEFT = ("same", "benign", "patch")
"""Kinds of pairs that stay as they are: honest ones, and what is not bounded by an eps."""


@dataclass(frozen=True, eq=False)
class OnPolicy:
    """A few sign steps from the clean picture through purifier and model (Madry et al. 2018).

    Each picture's size is drawn up to `eps` (of 255), each step draws the purifier's noise anew;
    half of them are led away from the right answer, half to the answer of another pair.
    """

    models: Sequence[HFModel]
    steps: int = 3
    eps: float = 8.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.eps <= 255:
            raise RecipeError(
                f"an attack on policy takes at least 1 step and an eps up to 255; got {self.steps} "
                f"and {self.eps:g}"
            )

    @property
    def said(self) -> dict[str, Any]:
        """What a folder says of it."""
        return {"steps": self.steps, "eps": self.eps, "models": [m.name for m in self.models]}

    def __call__(
        self, pairs: Sequence[Pair], walk: Walk, step: int, generator: torch.Generator
    ) -> list[Pair]:
        """The same pairs, with what was made of those that are attacked. The models take turns."""
        places = [i for i, pair in enumerate(pairs) if pair.kind not in LEFT]
        if not places:
            return [*pairs]
        attacked = [pairs[i] for i in places]
        others = [*attacked[1:], attacked[0]]
        led = torch.rand(len(attacked), generator=generator) < 0.5
        targeted = [bool(led[i]) and others[i].answer != p.answer for i, p in enumerate(attacked)]
        aims = [
            (other if wanted else pair).answer
            for pair, other, wanted in zip(attacked, others, targeted, strict=True)
        ]
        signs = torch.tensor([-1.0 if wanted else 1.0 for wanted in targeted])
        made = self._made(attacked, aims, signs, walk, step, generator)
        hostile = dict(zip(places, made, strict=True))
        return [
            replace(pair, hostile=to_pixels(hostile[i]), kind="policy") if i in hostile else pair
            for i, pair in enumerate(pairs)
        ]

    def _made(
        self, pairs: Sequence[Pair], aims: Sequence[str], signs: Tensor, walk: Walk, step: int,
        generator: torch.Generator,
    ) -> list[Tensor]:  # fmt: skip
        model = self.models[step % len(self.models)]
        device = model.device
        clean = [to_float(pair.clean).to(device) for pair in pairs]
        sizes = [float(s) * self.eps / 255 for s in torch.rand(len(pairs), generator=generator)]
        seen = [
            (one + size * (2 * torch.rand(one.shape, generator=generator).to(device) - 1)).clamp(
                0, 1
            )
            for one, size in zip(clean, sizes, strict=True)
        ]
        for _ in range(self.steps):
            leaves = [one.detach().requires_grad_() for one in seen]
            seeds = torch.randint(1 << 31, (len(leaves),), generator=generator).tolist()
            asked = [
                pair.query.with_images([Image(walk(leaf, seed))])
                for pair, leaf, seed in zip(pairs, leaves, seeds, strict=True)
            ]
            losses = model.loss(asked, [Goal.say(aim) for aim in aims])
            slopes = torch.autograd.grad((signs.to(losses) * losses).sum(), leaves)
            seen = [
                _stepped(leaf.detach(), slope, one, size, 2 * size / self.steps)
                for leaf, slope, one, size in zip(leaves, slopes, clean, sizes, strict=True)
            ]
        return seen


def _even(like: Tensor, generator: torch.Generator) -> Tensor:
    """Anywhere between -1 and 1."""
    return (2 * torch.rand(like.shape, generator=generator) - 1).to(like)


def _stepped(seen: Tensor, slope: Tensor, clean: Tensor, size: float, length: float) -> Tensor:
    moved = seen + length * slope.sign()
    return torch.min(torch.max(moved, clean - size), clean + size).clamp(0, 1)
