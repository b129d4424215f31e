"""From pixels to a model's image inputs, through its own processor.

8-bit images go the way that any server sends them. Float images take the same way and keep their
graph, because transformers 5 image processors are tensor code. One thing differs: resizing with a
kernel that overshoots (bicubic, Lanczos). uint8 arithmetic clamps between the two passes and float
does not: up to 51 8-bit steps apart on text. `TwoPass` restores the uint8 behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sallet.core.errors import ModelError

OVERSHOOTING = ("bicubic", "lanczos")
PIL_LANCZOS = 1


class _Clamp(torch.autograd.Function):
    """To the 8-bit range forward; backward the identity, so that no pixel goes dark."""

    @staticmethod
    def forward(ctx: Any, seen: Tensor) -> Tensor:
        return seen.clamp(0, 255)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class TwoPass(TorchFunctionMode):
    """Within it, antialiased bicubic and Lanczos resizes of `[0,255]` floats equal uint8's.

    Width first, clamp, then height, clamp: within 1.1 8-bit steps of the uint8 kernel for each
    resize, whatever the processor, because every one resizes through `interpolate`.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not functional.interpolate or kwargs.get("mode") not in OVERSHOOTING:
            return func(*args, **kwargs)
        image, size = args[0], kwargs["size"]
        if not image.is_floating_point():
            return func(*args, **kwargs)
        wide = func(image, **{**kwargs, "size": [image.shape[-2], size[1]]})
        return _clamp(func(_clamp(wide), **{**kwargs, "size": list(size)}))


def _clamp(seen: Tensor) -> Tensor:
    return cast(Tensor, _Clamp.apply(seen))


class Pixels:
    """A processor's image half: a batch of `[3,h,w]` tensors to model inputs.

    uint8 images give exactly what the processor gives; floats in [0,1] the same within the
    tolerance of `TwoPass`, differentiably. The processor sees these in [0,255], so that all its
    settings (rescaling, padding colours) mean what they mean for uint8. Images of one size go
    through in one call.
    """

    def __init__(
        self, image_processor: Any, accepted: Collection[str], device: torch.device
    ) -> None:
        from transformers.image_processing_backends import TorchvisionBackend

        if not isinstance(image_processor, TorchvisionBackend):
            raise ModelError(
                f"{type(image_processor).__name__} does not process tensors, so pixels cannot be "
                "followed; use a model whose processor has a torchvision backend"
            )
        self._processor: Any = image_processor
        self._accepted = frozenset(accepted)
        self._device = device
        # Lanczos on tensors exists on the CPU only; elsewhere the processor falls back to bicubic.
        lanczos = int(getattr(image_processor, "resample", None) or 0) == PIL_LANCZOS
        self._at = torch.device("cpu") if lanczos else device
        self._settings: dict[str, Any] = {}

    def learn(self, run: Callable[[], Any]) -> Any:
        """Runs `run` (a call of the whole processor) and keeps what it asks of its image half."""
        original = self._processor.preprocess

        def spy(images: Any, *args: Any, **kwargs: Any) -> Any:
            self._settings = dict(kwargs)
            return original(images, *args, **kwargs)

        self._processor.preprocess = spy
        try:
            return run()
        finally:
            del self._processor.preprocess

    def __call__(self, images: Sequence[Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
        """The model's image inputs, floats in `dtype`; all images uint8, or all float."""
        exact = not images[0].is_floating_point()
        shown = [image if exact else image.to(self._at).float() * 255 for image in images]
        settings = self._settings | {
            "input_data_format": "channels_first",
            "return_tensors": "pt",
        }
        with nullcontext() if exact else TwoPass():
            out = self._processor.preprocess(shown, **settings)
        inputs: dict[str, Tensor] = {
            key: value.to(self._device, dtype if value.is_floating_point() else value.dtype)
            for key, value in out.items()
            if key in self._accepted and isinstance(value, Tensor)
        }
        if "pixel_attention_mask" in inputs:
            inputs["pixel_values"] = _never_empty(inputs["pixel_values"])
        return inputs


def _never_empty(values: Tensor) -> Tensor:
    """Idefics takes an image of zeros for padding; a mid-grey float image (0.5) is one."""
    empty = (values == 0).flatten(-3).all(-1)[..., None, None, None]
    return values + empty * 1e-6 if bool(empty.any()) else values
