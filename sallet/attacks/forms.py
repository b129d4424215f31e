"""What one thing for many pictures can be: a whole picture, a change of any, or a patch on any.

Each is a *carrier*, a float tensor in [0,1] that an 8-bit image holds without loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from sallet.attacks.placing import Placing
from sallet.attacks.threat import Threat, floats
from sallet.core.errors import RecipeError
from sallet.core.image import Image, to_float, to_pixels
from sallet.media.file import open_image

BASES: Final = ("grey", "noise", "first")
GREY: Final = 128 / 255
"""No change, in the carrier of a change; and the grey of the plain base."""


class Form(Protocol):
    """How a carrier is begun, bounded, and laid on a picture."""

    def start(self, generator: torch.Generator, /) -> Tensor:
        """A carrier with a random start."""
        ...

    def project(self, carrier: Tensor, /) -> Tensor:
        """The nearest carrier that is allowed."""
        ...

    def show(self, carrier: Tensor, clean: Tensor, generator: torch.Generator, /) -> Tensor:
        """The picture as it is then seen, differentiable to the carrier."""
        ...

    def keep(self, carrier: Tensor, /) -> Image:
        """The carrier in 8 bits, still allowed."""
        ...

    def file(self, carrier: Image, clean: Tensor, generator: torch.Generator, /) -> Image:
        """The 8-bit image that would be uploaded."""
        ...


@dataclass(frozen=True, eq=False)
class Whole:
    """One picture in place of every other, within `threat` of `base`."""

    base: Tensor
    threat: Threat

    def start(self, generator: torch.Generator) -> Tensor:
        """The base with random noise."""
        return self.base + self.threat.start(self.base, generator)

    def project(self, carrier: Tensor) -> Tensor:
        """Into the ball around the base."""
        return self.base + self.threat.project(carrier - self.base, self.base)

    def show(self, carrier: Tensor, clean: Tensor, generator: torch.Generator) -> Tensor:
        """The carrier itself, the very same tensor for every picture."""
        return carrier

    def keep(self, carrier: Tensor) -> Image:
        """Inside the ball after rounding, too."""
        return self.threat.file(self.base, carrier - self.base)

    def file(self, carrier: Image, clean: Tensor, generator: torch.Generator) -> Image:
        """The carrier itself."""
        return carrier


@dataclass(frozen=True, eq=False)
class Change:
    """One change of every picture, stretched to its size; within `threat` of each, linf only."""

    size: tuple[int, int]
    threat: Threat

    def __post_init__(self) -> None:
        if self.threat.norm != "linf" or self.threat.eps > 127:
            raise RecipeError(
                "one change for all pictures is bounded in linf by at most 127 (larger is no "
                f"change but a picture: use form: image); got {self.threat}"
            )

    def start(self, generator: torch.Generator) -> Tensor:
        """Random noise."""
        middle = torch.full((3, *self.size), GREY)
        return middle + self.threat.start(middle, generator)

    def project(self, carrier: Tensor) -> Tensor:
        """Into the ball around no change."""
        return GREY + (carrier - GREY).clamp(-self.threat.radius, self.threat.radius)

    def show(self, carrier: Tensor, clean: Tensor, generator: torch.Generator) -> Tensor:
        """The changed picture, held in [0,1], as its file is."""
        return (clean + _stretched(carrier - GREY, clean)).clamp(0, 1)

    def keep(self, carrier: Tensor) -> Image:
        """Rounded; what is filed of it is held in the ball of each picture."""
        return Image(to_pixels(carrier))

    def file(self, carrier: Image, clean: Tensor, generator: torch.Generator) -> Image:
        """The picture with the stretched change, inside the ball after rounding."""
        return self.threat.file(clean, _stretched(floats(carrier) - GREY, clean))


@dataclass(frozen=True, eq=False)
class Stuck:
    """One patch on every picture, of as many pixels on each; the larger pictures may vary."""

    side: int
    placing: Placing

    def start(self, generator: torch.Generator) -> Tensor:
        """Random pixels."""
        return torch.rand((3, self.side, self.side), generator=generator)

    def project(self, carrier: Tensor) -> Tensor:
        """Any pixels."""
        return carrier.clamp(0, 1)

    def show(self, carrier: Tensor, clean: Tensor, generator: torch.Generator) -> Tensor:
        """The picture with the patch on it."""
        return self.placing.put(clean, carrier, generator)

    def keep(self, carrier: Tensor) -> Image:
        """Rounded."""
        return Image(to_pixels(carrier))

    def file(self, carrier: Image, clean: Tensor, generator: torch.Generator) -> Image:
        """The same in 8 bits."""
        return Image(to_pixels(self.placing.put(clean, floats(carrier), generator)))


def base_picture(base: str, pictures: Sequence[Image], generator: torch.Generator) -> Tensor:
    """The picture that a shared one stays near: `grey`, `noise`, the `first`, or a file.

    Grey and noise are of the size that most of the pictures have.
    """
    if base == "first":
        return floats(pictures[0])
    if base == "noise":
        noise = torch.rand((3, *usual_size(pictures)), generator=generator)
        return to_float(to_pixels(noise))
    if base == "grey":
        return torch.full((3, *usual_size(pictures)), GREY)
    if Path(base).is_file():
        return floats(open_image(base))
    raise RecipeError(f"base must be {', '.join(BASES)}, or an image file; there is no {base!r}")


def usual_size(pictures: Sequence[Image]) -> tuple[int, int]:
    """The size of most pictures; of several such, the first seen."""
    return Counter(picture.size for picture in pictures).most_common(1)[0][0]


def _stretched(change: Tensor, clean: Tensor) -> Tensor:
    if change.shape == clean.shape:
        return change
    size = list(clean.shape[-2:])
    return functional.interpolate(change[None], size=size, mode="bilinear", antialias=True)[0]
