"""Whether the format that a checkpoint was loaded in lets gradients through."""

from __future__ import annotations

from typing import Any

from sallet.core.errors import NoGradient


def check_gradient(model: Any, name: str) -> None:
    """Refuses before any work what could only fail after it."""
    quantizer = getattr(model, "hf_quantizer", None)
    # On a CPU, bitsandbytes multiplies 4-bit weights by a kernel that has no way back.
    four = model.device.type == "cpu" and getattr(model, "is_loaded_in_4bit", False)
    if quantizer is not None and (four or not quantizer.is_trainable):
        raise NoGradient(no_gradient(name))


def no_gradient(name: str) -> str:
    """What is wrong, and the three ways on."""
    return (
        f"{name} gives no gradient in this format; load it unquantised (or in 8bit, on a GPU also "
        "in 4bit), or use query-based attacks (they need answers only) or transfer from another "
        "model"
    )
