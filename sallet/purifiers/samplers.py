"""How a picture is walked: DiffPure's way through noise and back, and CoDefend's few steps.

All randomness is the items' own: a picture's noise is drawn from its seed and from nothing else,
so that a batch gives what its pictures give alone. Gradients are kept wherever they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from sallet.core.errors import ModelError, RecipeError
from sallet.purifiers.network import TIMES

if TYPE_CHECKING:
    from sallet.purifiers.folder import Purifier


class Sampler(Protocol):
    """Points `[B,c,h,w]` to cleaner ones; the seeds are the items'."""

    @property
    def stochastic(self) -> bool: ...
    @property
    def evaluations(self) -> int:
        """Of the network, for one picture."""
        ...

    def run(self, purifier: Purifier, points: Tensor, seeds: Sequence[int], /) -> Tensor: ...


def noises(like: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Standard noise, each item's from its own generator (on the CPU: the same everywhere)."""
    drawn = [torch.randn(like.shape[1:], generator=each) for each in generators]
    return torch.stack(drawn).to(like.device, like.dtype)


def generators_of(seeds: Sequence[int]) -> list[torch.Generator]:
    """One for each item."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@dataclass(frozen=True)
class Diffused:
    """DiffPure (Nie et al. 2022): noise up to time `until`, then back with an unconditional model.

    `steps` None goes back one time at a time, drawing fresh noise at each (ancestral, as
    published); a number goes back in so many equal strides without any (DDIM, Song et al. 2021).
    """

    until: int = 100
    steps: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.until <= TIMES:
            raise RecipeError(f"the time to diffuse to is 1 to {TIMES}; it is {self.until}")
        if self.steps is not None and (self.steps < 1 or self.until % self.steps):
            raise RecipeError(
                f"{self.until} cannot be walked back in {self.steps} equal strides; give a divisor"
            )

    @property
    def stochastic(self) -> bool:
        """Always: what is noised first is the picture."""
        return True

    @property
    def evaluations(self) -> int:
        """Of the network."""
        return self.until if self.steps is None else self.steps

    def run(self, purifier: Purifier, points: Tensor, seeds: Sequence[int]) -> Tensor:
        """Up in one leap, back in steps."""
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

        if purifier.scheduler is None:
            raise ModelError(
                "this purifier was taught the way from hostile to clean, not the noise in a "
                "picture, so it cannot diffuse; give the folder of a diffusion, or use codefend"
            )
        generators, stride = generators_of(seeds), self.until // self.evaluations
        scheduler: Any = DDPMScheduler.from_config(purifier.scheduler.config)
        top = torch.full((len(points),), self.until - 1, device=points.device)
        seen = scheduler.add_noise(points, noises(points, generators), top)
        for time in range(self.until - 1, -1, -stride):
            guess = purifier.network(seen, torch.full_like(top, time))
            if self.steps is None:
                seen = scheduler.step(guess, time, seen, generator=generators).prev_sample
            else:
                seen = leap(scheduler, guess, time, seen, stride)
        return seen


def leap(scheduler: Any, guess: Tensor, time: int, seen: Tensor, stride: int) -> Tensor:
    """A step of DDIM without noise (Song et al. 2021, eq. 12) over any stride.

    diffusers' own takes a thousandth's whole quotient for the stride: 120 in two steps would not be
    60 and 60 there.
    """
    kept = scheduler.alphas_cumprod.to(seen)
    here, before = kept[time], kept[time - stride] if time >= stride else torch.ones_like(kept[0])
    clean = guess
    if scheduler.config.prediction_type == "epsilon":
        clean = (seen - (1 - here).sqrt() * guess) / here.sqrt()
    if scheduler.config.clip_sample:
        most = scheduler.config.clip_sample_range
        clean = clean.clamp(-most, most)
    noise = (seen - here.sqrt() * clean) / (1 - here).sqrt()
    return before.sqrt() * clean + (1 - before).sqrt() * noise


@dataclass(frozen=True)
class Flowing:
    """CoDefend's few steps: along a field that was taught the way from hostile to clean.

    Euler steps from time 0 (the picture as it came) to 1 (clean). `noise` is laid on it first, as
    much as in training: then every defence seed walks another way.
    """

    steps: int = 1
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise RecipeError(f"a picture is walked in at least 1 step; got {self.steps}")
        if not 0 <= self.noise <= 1:
            raise RecipeError(f"noise is 0 to 1 (of a range of 2); got {self.noise}")

    @property
    def stochastic(self) -> bool:
        """Where there is noise."""
        return self.noise > 0

    @property
    def evaluations(self) -> int:
        """Of the network."""
        return self.steps

    def run(self, purifier: Purifier, points: Tensor, seeds: Sequence[int]) -> Tensor:
        """All the way."""
        return self.rest(purifier, *self.first(purifier, points, seeds))

    def first(
        self, purifier: Purifier, points: Tensor, seeds: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Where it starts, and the velocity there: its size says how hostile the picture looks."""
        if purifier.card.kind != "flow":
            raise ModelError(
                "this purifier was taught the noise in a picture, not the way from hostile to "
                "clean; give the folder of a flow, or use diffpure"
            )
        start = points
        if self.noise:
            start = points + self.noise * noises(points, generators_of(seeds))
        return start, purifier.network(start, self._time(points, 0))

    def rest(self, purifier: Purifier, start: Tensor, velocity: Tensor) -> Tensor:
        """On from the first velocity."""
        seen = start + velocity / self.steps
        for step in range(1, self.steps):
            seen = seen + purifier.network(seen, self._time(seen, step)) / self.steps
        return seen

    def _time(self, points: Tensor, step: int) -> Tensor:
        return torch.full((len(points),), step / self.steps * TIMES, device=points.device)
