"""`Space`: where an attack searches, and what a place in it shows of an image."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from sallet.core.image import Image


class Space(Protocol):
    """What an attack moves is a *point*; what is shown and filed is an image that it makes.

    `Threat` is the plain one: a point is a change of every pixel inside a ball.
    """

    def origin(self, clean: Tensor, /) -> Tensor:
        """The point of a search that begins at the clean image."""
        ...

    def start(self, clean: Tensor, generator: torch.Generator, /) -> Tensor:
        """A random point."""
        ...

    def show(self, clean: Tensor, point: Tensor, generator: torch.Generator, /) -> Tensor:
        """The float image of a point, differentiable to it; random where its placement is."""
        ...

    def direction(self, gradient: Tensor, /) -> Tensor:
        """The steepest descent direction of unit size."""
        ...

    def project(self, point: Tensor, clean: Tensor, /) -> Tensor:
        """The nearest point that is allowed."""
        ...

    def file(self, clean: Tensor, point: Tensor, /) -> Image:
        """The 8-bit image that would be uploaded."""
        ...
