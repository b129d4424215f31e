"""Image scaling (Xiao et al. 2019; Quiring et al. 2020): a message that the model's resize makes.

No resize is modelled: the file is solved for, by projected gradient descent, through the model's
own image processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sallet.attacks.asked import with_words
from sallet.attacks.drawing import filled
from sallet.attacks.mislabel import Mislabel
from sallet.core.errors import NoGradient, RecipeError, UsageError
from sallet.core.goal import Goal
from sallet.core.guarded import Guarded
from sallet.core.image import Image, to_float, to_pixels
from sallet.core.protocols import Enough, Going, Hostile, Judge, Model, Progress, WhiteBox, silent
from sallet.core.query import Answer, Failure, Query
from sallet.core.seeds import derive

MINDED = 0.7
"""The share of the steps that mind who reads at full size; the rest is the message's alone."""
MESSAGE = Goal.say("the message")


@runtime_checkable
class Shown(WhiteBox, Protocol):
    """A white box that also tells what it is fed for images, with a graph to their pixels."""

    def image_inputs(self, images: Sequence[Tensor]) -> dict[str, Tensor]: ...


@dataclass(eq=False)
class Lens:
    """The model's eye alone: its loss is how far what it is fed is from `want`, 1 at the start.

    It has the type of a model, so that a defence in front of it is gone through as ever.
    """

    model: Shown
    want: Tensor
    unit: Tensor

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        return self.model.answer(queries)

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        return torch.stack([self._loss(q, g) for q, g in zip(queries, goals, strict=True)])

    def _loss(self, query: Query, goal: Goal) -> Tensor:
        seen = fed(self.model, [image.tensor() for image in query.images])
        if goal is not MESSAGE:  # what evades a check of the defence has no picture
            return 0 * seen.sum()
        if seen.shape != self.want.shape:
            raise UsageError(
                "the defence gives the model a picture of another shape, so the message has no "
                "place in it; attack the model without it"
            )
        return (seen - self.want).square().sum() / self.unit


def fed(model: Shown, images: Sequence[Tensor]) -> Tensor:
    """All floats that the model is fed for these images, in a row."""
    inputs = model.image_inputs(images)
    return torch.cat([v.flatten().float() for v in inputs.values() if v.is_floating_point()])


@dataclass(frozen=True, kw_only=True)
class Scaling(Mislabel):
    """`words` appear once the model has made the picture smaller; `ask` may take the question's
    place.

    Each picture is enlarged by `factor` first: only what is larger than what the model looks at
    can hide anything. The file begins as the picture under noise of `noise` (a share of the pixel
    range) and is moved for `steps` steps of Adam until the processor makes of it what it would
    make of the words plainly written there; noise that the processor averages away stays. `unread`
    weighs a second wish, where the model is differentiable: a piece of the file at its full size,
    as large as the picture was, brings the model no nearer to the goal than the clean picture's.
    """

    name: ClassVar[str] = "scaling"
    eot: ClassVar[int] = 1
    """One defence seed a step, and another one at the next."""
    ask: str = ""
    factor: float = 2.0
    steps: int = 60
    step: float = 0.05
    noise: float = 1.0
    unread: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factor < 1 or self.steps < 1 or self.step <= 0:
            raise RecipeError(
                f"scaling needs a factor of at least 1, a step above 0 and steps of at least 1; "
                f"they are {self.factor:g}, {self.step:g} and {self.steps}"
            )
        if not 0 <= self.noise <= 2 or self.unread < 0:
            raise RecipeError(
                f"noise is from 0 to 2 and unread at least 0; they are {self.noise:g} and "
                f"{self.unread:g}"
            )

    def cover(self, query: Query) -> Query:
        """The query with its pictures enlarged: what hides the message."""
        return query.map_images(lambda image: Image(to_pixels(enlarged(image, self.factor))))

    def plain(self, query: Query, goal: Goal) -> Query:
        """The words plainly written on the enlarged pictures: the control."""
        made = super().draw(self.cover(query), goal)
        return with_words(made, filled(self.ask, query, goal)) if self.ask else made

    def piece(self, picture: Tensor, down: float = 0.0, right: float = 0.0) -> Tensor:
        """What is seen of a picture at full size: a window around the words, as large as the
        picture was before, moved by shares of itself."""
        high, wide = (round(n / self.factor) for n in picture.shape[-2:])
        x, y = self.middle
        top = _inside(y * picture.shape[-2] - high / 2 + down * high, picture.shape[-2] - high)
        left = _inside(x * picture.shape[-1] - wide / 2 + right * wide, picture.shape[-1] - wide)
        return picture[..., top : top + high, left : left + wide]

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
        """One for each query, in order; through a defence, the message is solved for behind it."""
        bare = model.model if isinstance(model, Guarded) else model
        if not isinstance(bare, Shown):
            raise NoGradient(
                f"{self.name} needs the pixels' way into the model, and {bare.name!r} does not "
                "show it; mislabel and typo write the message for anybody to see"
            )
        made = [Hostile(query) for query in queries]
        done, total = 0, self.steps * len(queries)
        with suppress(Enough):
            for i, (query, goal) in enumerate(zip(queries, goals, strict=True)):
                made[i] = self._solved(model, bare, query, goal, self.plain(query, goal), seed)
                done += self.steps
                progress(Going(done=done, total=total, samples=len(queries)))
        return made

    def _solved(
        self, model: Model, bare: Shown, query: Query, goal: Goal, plain: Query, seed: int
    ) -> Hostile:
        generator = torch.Generator().manual_seed(derive(seed, "scaling", query.digest))
        clean = [to_float(image.pixels()) for image in self.cover(query).images]
        reads = self.unread > 0 and self.factor > 1
        with torch.no_grad():  # first: a processor learns its settings from a whole prompt
            far = float(self._near(bare, plain, goal, clean, (0, 0)))
        want = fed(bare, [to_float(image.pixels()) for image in plain.images]).detach()
        unit = (fed(bare, clean) - want).square().sum().detach().clamp_min(1e-9)
        lens: WhiteBox = Lens(bare, want, unit)
        if isinstance(model, Guarded):
            lens = Guarded(lens, model.defense)
        points = [_noisy(picture, self.noise, generator).requires_grad_() for picture in clean]
        adam = torch.optim.Adam(points, lr=self.step)
        curve, first = list[float](), 0.0
        for done in range(self.steps):
            adam.param_groups[0]["lr"] = self.step * (1 - done / self.steps)
            shown = plain.with_images([Image(point) for point in points])
            own = shown.with_defense_seed(derive(seed, query.digest, done))
            loss = lens.loss([own], [MESSAGE])[0]
            curve.append(float(loss.detach()))
            if reads and done < MINDED * self.steps:
                moved = torch.rand(2, generator=generator).sub(0.5).mul(0.5).tolist()
                near = self._near(bare, plain, goal, points, (moved[0], moved[1]))
                loss = loss + self.unread * (far - near).clamp_min(0)
            adam.zero_grad()
            loss.backward()
            if done == 0:
                first = max(float(p.grad.abs().max()) for p in points if p.grad is not None)
            adam.step()
            with torch.no_grad():
                for point in points:
                    point.clamp_(0, 1)
        hostile = plain.with_images([Image(to_pixels(point)) for point in points])
        with torch.no_grad():
            end = float(lens.loss([hostile], [MESSAGE])[0])
        looks = self.steps * (2 if reads else 1)
        return Hostile(hostile, 1.0, end, self.steps, first, looks=looks, curve=tuple(curve))

    def _near(
        self, bare: Shown, plain: Query, goal: Goal, seen: Sequence[Tensor], at: tuple[float, float]
    ) -> Tensor:
        pieces = [Image(self.piece(picture, *at)) for picture in seen]
        return bare.loss([plain.with_images(pieces)], [goal])[0]


def enlarged(image: Image, factor: float) -> Tensor:
    """The picture at `factor` times its size, smoothly."""
    picture = to_float(image.pixels())
    size = [round(n * factor) for n in picture.shape[-2:]]
    return interpolate(picture[None], size=size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def _noisy(picture: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    signs = torch.randint(0, 2, picture.shape, generator=generator) - 0.5
    return (picture + noise * signs).clamp(0, 1)


def _inside(at: float, most: int) -> int:
    return min(max(round(at), 0), most)
