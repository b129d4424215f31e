"""What a purifier learns: the way from hostile to clean, or a picture under noise; and a guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.models.features import features
from sallet.models.local import HFModel
from sallet.models.towers import Tower
from sallet.purifiers.network import TIMES, Network
from sallet.train.pairs import Pair

LITTLE = (16 / 255) ** 2
"""Of a way: what eight 8-bit steps are, where a range is 2. A picture that is to stay has none."""


class Objective(Protocol):
    """A loss of points `[B,c,h,w]`, and what the network says the clean points are."""

    def __call__(
        self, network: Network, hostile: Tensor, clean: Tensor, generator: torch.Generator
    ) -> Tensor: ...


@dataclass(frozen=True)
class Flow:
    """Flow matching from hostile to clean pictures (FlowPure, 2505.13280).

    At time t the point is `start + t (clean - start)`, with `start = hostile + noise * z`, and the
    network is to say `clean - start`. `first` of the times are 0, which is all that one step sees.
    """

    noise: float = 0.0
    first: float = 0.5

    def __call__(
        self, network: Network, hostile: Tensor, clean: Tensor, generator: torch.Generator
    ) -> Tensor:
        """How much of the way that is still to go is left undone, in squares.

        A share, so that it weighs as much as a guide's parts whatever the noise is, and a patch no
        more than a picture that is lost.
        """
        start = hostile + self.noise * _noise(hostile, generator)
        times = torch.rand(len(hostile), generator=generator)
        times = torch.where(torch.rand(len(hostile), generator=generator) < self.first, 0.0, times)
        times = times.to(hostile)
        way, rest = clean - start, (1 - times).view(-1, 1, 1, 1)
        here = start + (1 - rest) * way
        left = rest * (network(here, times * TIMES) - way)
        return _share(left, rest * way)


@dataclass(frozen=True, eq=False)
class Denoising:
    """The clean picture under any time's noise (Ho et al. 2020): DiffPure's model, taught without
    any attack."""

    scheduler: Any
    until: int = TIMES

    def __call__(
        self, network: Network, hostile: Tensor, clean: Tensor, generator: torch.Generator
    ) -> Tensor:
        """How much of the noise is left, in squares."""
        noise = _noise(clean, generator)
        times = torch.randint(self.until, (len(clean),), generator=generator).to(clean.device)
        seen = self.scheduler.add_noise(clean, noise, times)
        kept = self.scheduler.alphas_cumprod.to(clean)[times].view(-1, 1, 1, 1)
        return _share(network(seen, times) - clean, (1 / kept - 1).sqrt() * noise)


@dataclass(frozen=True, eq=False)
class Bridge:
    """The clean picture under a diffused hostile one (ADBM, Li et al. 2025).

    With `d` from clean to hostile and a horizon T, the point at T is the diffused *hostile* picture
    and the point at 0 the clean one, along a way of diffusion: what comes out is walked back as
    DiffPure's model is, in few strides. The horizon is drawn from the upper half of `until`.
    """

    scheduler: Any
    until: int = 200

    def __call__(
        self, network: Network, hostile: Tensor, clean: Tensor, generator: torch.Generator
    ) -> Tensor:
        """How much of noise and attack is left, in squares."""
        noise, way = _noise(clean, generator), hostile - clean
        many = len(clean)
        top = torch.randint(self.until // 2, self.until, (many,), generator=generator)
        times = (torch.rand(many, generator=generator) * (top + 1)).long().to(clean.device)
        kept = self.scheduler.alphas_cumprod.to(clean)
        here, end = (kept[at.to(clean.device)].view(-1, 1, 1, 1) for at in (times, top))
        share = end / (1 - end)
        seen = here.sqrt() * clean + (1 - here).sqrt() * noise
        seen = seen + way * share * (1 - here) / here.sqrt()
        return _share(network(seen, times) - clean, seen / here.sqrt() - clean)


def _share(left: Tensor, whole: Tensor) -> Tensor:
    """The mean of each item's squares as a share of the whole's."""
    over = (1, 2, 3)
    return (left.square().mean(over) / whole.square().mean(over).clamp_min(LITTLE)).mean()


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like)


@dataclass(frozen=True, eq=False)
class Guide:
    """CoDefend's task guidance, on whole pictures after one step.

    `features`: how far a vision-language model's tower is from what it made of the clean picture,
    as a share of that. `answer`: its loss of the right answer. `alignment`: how far an encoder
    holds the picture from the words of question and answer.
    """

    models: Sequence[HFModel] = ()
    encoder: Tower | None = None
    features: float = 1.0
    answer: float = 0.1
    alignment: float = 0.1

    @property
    def said(self) -> dict[str, Any]:
        """What a folder says of it."""
        weights = {key: getattr(self, key) for key in ("features", "answer", "alignment")}
        encoder = self.encoder.name if self.encoder else None
        return {**weights, "models": [m.name for m in self.models], "encoder": encoder}

    def __call__(self, pairs: Sequence[Pair], purified: Sequence[Tensor], step: int) -> Tensor:
        """Of pictures in [0,1]; the models take turns."""
        total = purified[0].new_zeros(())
        if self.models:
            model = self.models[step % len(self.models)]
            if self.features:
                total = total + self.features * self._features(model, pairs, purified)
            if self.answer:
                asked = [_ask(pair, one) for pair, one in zip(pairs, purified, strict=True)]
                said = [Goal.say(pair.answer) for pair in pairs]
                total = total + self.answer * model.loss(asked, said).mean()
        if self.encoder is not None and self.alignment:
            shown = [Query.ask(Image(one)) for one in purified]
            near = [Goal.say(pair.answer) for pair in pairs]
            total = total + self.alignment * self.encoder.loss(shown, near).mean()
        return total

    def _features(
        self, model: HFModel, pairs: Sequence[Pair], purified: Sequence[Tensor]
    ) -> Tensor:
        losses: list[Tensor] = []
        for pair, one in zip(pairs, purified, strict=True):
            with torch.no_grad():
                (wanted,) = features(model, [Image(pair.clean).tensor()])
            (made,) = features(model, [one])
            losses.append((made - wanted).square().sum() / wanted.square().sum())
        return torch.stack(losses).mean()


def _ask(pair: Pair, picture: Tensor) -> Query:
    return pair.query.with_images([Image(picture)])
