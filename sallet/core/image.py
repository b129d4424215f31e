"""`Image`: pixels that exist only when somebody looks.

An image is uint8 pixels, a source that loads them (a file), or a float tensor that an attack put
in and that may carry a gradient; plus the views that a defence asked for, applied on demand. So
eleven noisy copies of a photograph cost eleven small records until a model takes a chunk of them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from sallet.core.errors import InputError

if TYPE_CHECKING:  # seconds to load, and nothing that only reads runs needs a tensor
    from torch import Tensor
    from typing_extensions import TypeIs

Pixels: TypeAlias = npt.NDArray[np.uint8]
View: TypeAlias = "Callable[[Tensor], Tensor]"


class Source(Protocol):
    """Pixels that are read when needed, such as a file; `size` must be cheap."""

    @property
    def size(self) -> tuple[int, int]: ...

    def load(self) -> Pixels: ...


@dataclass(frozen=True, eq=False)
class Image:
    """An RGB image, immutable; two images are equal when their 8-bit pixels and size are."""

    source: Pixels | Tensor | Source
    views: tuple[View, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.source, np.ndarray):
            if self.source.dtype != np.uint8 or self.source.ndim != 3 or self.source.shape[2] != 3:
                raise InputError(
                    "an image array must be uint8 [height, width, 3]; "
                    f"this one is {self.source.dtype} {list(self.source.shape)}: convert it to RGB"
                )
        elif _is_tensor(self.source) and (
            not self.source.is_floating_point()
            or self.source.ndim != 3
            or self.source.shape[0] != 3
        ):
            raise InputError(
                "an image tensor must be float [3, height, width] in [0, 1]; "
                f"this one is {self.source.dtype} {list(self.source.shape)}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the source, before any view, without decoding it."""
        if isinstance(self.source, np.ndarray):
            return int(self.source.shape[0]), int(self.source.shape[1])
        if _is_tensor(self.source):
            return int(self.source.shape[1]), int(self.source.shape[2])
        return self.source.size

    @property
    def eager(self) -> bool:
        """Whether the pixels are already in memory (no file, no pending view)."""
        return not self.views and (isinstance(self.source, np.ndarray) or _is_tensor(self.source))

    @property
    def exact(self) -> bool:
        """Whether it is 8-bit pixels as it stands: nothing is float, and no view is pending."""
        return not self.views and not _is_tensor(self.source)

    def view(self, change: View) -> Image:
        """This image as `change` (float `[3,h,w]` to float `[3,h',w']`) will show it."""
        return replace(self, views=(*self.views, change))

    def tensor(self) -> Tensor:
        """Float `[3,h,w]` in [0,1]; keeps the graph when an attack's tensor is the source."""
        seen = self.source if _is_tensor(self.source) else to_float(_read(self.source))
        for change in self.views:
            seen = change(seen)
        return seen

    def pixels(self) -> Pixels:
        """The 8-bit pixels that a model is shown and that a file would hold."""
        if not self.views and not _is_tensor(self.source):
            return _read(self.source)
        return to_pixels(self.tensor())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over mode, size and pixels: the same for every encoding of the same picture."""
        pixels = np.ascontiguousarray(self.pixels())
        hasher = hashlib.sha256(f"RGB8 {pixels.shape[0]}x{pixels.shape[1]}\n".encode())
        hasher.update(pixels.reshape(-1).data)
        return hasher.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        height, width = self.size
        return f"Image({width}x{height}, {len(self.views)} views)"


def _is_tensor(source: Pixels | Tensor | Source) -> TypeIs[Tensor]:
    """Where torch was never loaded, nothing is a tensor. No attribute of a file is looked at."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def _read(source: Pixels | Source) -> Pixels:
    return source if isinstance(source, np.ndarray) else source.load()


def to_float(pixels: Pixels) -> Tensor:
    """8-bit `[h,w,3]` to float `[3,h,w]` in [0,1]."""
    import torch

    whole = torch.tensor(np.ascontiguousarray(pixels), dtype=torch.float32)
    return whole.permute(2, 0, 1).contiguous() / 255


def to_pixels(tensor: Tensor) -> Pixels:
    """Float `[3,h,w]` to 8-bit `[h,w,3]`, rounded (never truncated) and clamped."""
    import torch

    rounded = tensor.detach().float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return rounded.permute(1, 2, 0).contiguous().numpy()


def straight_through(change: View) -> View:
    """`change` forward, the identity backward (BPDA); for stages without a useful gradient."""

    import torch

    def through(seen: Tensor) -> Tensor:
        with torch.no_grad():
            shown = change(seen.detach())
        if shown.shape != seen.shape:
            raise InputError(
                "a straight-through view must keep the image's size; "
                f"{list(seen.shape)} became {list(shown.shape)}"
            )
        return seen + (shown - seen).detach() if seen.requires_grad else shown

    return through
