"""Purifiers: the pictures are cleaned before the model sees them; the text stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sallet.core.errors import RecipeError
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query

if TYPE_CHECKING:
    from sallet.purifiers.samplers import Diffused, Flowing

DIFFUSION = "world/diffusion"
FLOW = "world/codefend"
UNTIL = 100
"""Of 1000: what DiffPure diffuses small pictures to."""


@dataclass(frozen=True)
class _Purifier:
    """What both have in common: a folder of weights, and a gradient through all of it."""

    folder: str
    device: str = "cpu"

    @property
    def gradient(self) -> Gradient:
        """All the way through, each step computed again on the way back."""
        return "full"

    @property
    def digest(self) -> str:
        """Of the weights: a folder that was trained again is another defence."""
        from sallet.purifiers.run import digest

        return digest(self.folder)


@dataclass(frozen=True)
class DiffPure(_Purifier):
    """Noise up to time `until` of 1000, and back with an unconditional diffusion model (Nie et al.
    2022): one time at a time, as published, or in so many `steps` (DDIM).
    """

    folder: str = DIFFUSION
    until: int = UNTIL
    steps: int | None = None
    name: str = "diffpure"

    def __post_init__(self) -> None:
        _ = self.sampler

    @property
    def stochastic(self) -> bool:
        """Always."""
        return True

    @cached_property
    def sampler(self) -> Diffused:
        """How it walks."""
        from sallet.purifiers.samplers import Diffused

        return Diffused(self.until, self.steps)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        from sallet.purifiers.run import Clean

        worker = Clean(self.folder, self.sampler, self.device)
        return query.with_images(await via.batch(worker, query.seeded_images()))


@dataclass(frozen=True)
class CoDefend(_Purifier):
    """Few steps along a field that was taught the way from hostile to clean pictures.

    After CoDefend (2510.11096), ADBM and FlowPure. `steps`, and the `noise` that is laid on first,
    are the folder's if they are not given. With a `gate`, the pictures of a query pass as they are
    if the first step of none of them would be longer than that: `via.decide` takes this branch, so
    an attacker may aim at it.
    """

    folder: str = FLOW
    steps: int | None = None
    noise: float | None = None
    gate: float | None = None
    name: str = "codefend"

    def __post_init__(self) -> None:
        if self.gate is not None and not self.gate > 0:
            raise RecipeError(f"a gate is above 0, or not given; it is {self.gate}")

    @property
    def stochastic(self) -> bool:
        """Where noise is laid on."""
        return self.sampler.stochastic

    @cached_property
    def sampler(self) -> Flowing:
        """How it walks."""
        from sallet.purifiers.run import load
        from sallet.purifiers.samplers import Flowing

        card = load(self.folder, self.device).card
        steps = card.steps if self.steps is None else self.steps
        return Flowing(steps, card.noise if self.noise is None else self.noise)

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        from sallet.purifiers.run import Begin, Clean, Finish

        parts = (self.folder, self.sampler, self.device)
        if self.gate is None or not query.images:
            return query.with_images(await via.batch(Clean(*parts), query.seeded_images()))
        begun = await via.batch(Begin(*parts), query.seeded_images())
        if not await via.decide(max(one.alarm for one in begun) - self.gate):
            return query
        return query.with_images(await via.batch(Finish(*parts), begun))


def diffpure(
    name: str, *, folder: str = DIFFUSION, until: int = UNTIL, device: str = "cpu"
) -> DiffPure:
    """`diffpure-10` and the like: the number is of strides."""
    return DiffPure(folder, device, until, int(name.rpartition("-")[2]), name)


def codefend(
    name: str,
    *,
    folder: str = FLOW,
    noise: float | None = None,
    gate: float | None = None,
    device: str = "cpu",
) -> CoDefend:
    """`codefend-1` and the like: the number is of steps."""
    return CoDefend(folder, device, int(name.rpartition("-")[2]), noise, gate, name)
