"""A tower's first layer as a matrix product: the same numbers, several times as fast on a CPU.

A convolution whose stride is its kernel looks at every patch once, so it is one product of the
patches with its weights. CPU libraries have no fast way back through it as a convolution.
"""

from __future__ import annotations

from functools import partial
from math import prod

from torch import Tensor, nn
from torch.nn import functional


def as_products(model: nn.Module) -> int:
    """Makes every patch embedding of the model a matrix product; returns how many there were."""
    found = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d)) and _patches(m)]
    for module in found:
        module.forward = partial(_product, module)  # pyright: ignore[reportAttributeAccessIssue]
    return len(found)


def _patches(module: nn.Conv2d | nn.Conv3d) -> bool:
    plain = module.groups == 1 and set(module.dilation) == {1} and not module.transposed
    still = not isinstance(module.padding, str) and set(module.padding) == {0}
    return plain and still and module.kernel_size == module.stride


def _product(module: nn.Conv2d | nn.Conv3d, seen: Tensor) -> Tensor:
    """`[B, channels, ...]` to `[B, out, ...]`; a rest that fills no patch is left out."""
    kernel = module.kernel_size
    counts = [size // step for size, step in zip(seen.shape[2:], kernel, strict=True)]
    for axis, (count, step) in enumerate(zip(counts, kernel, strict=True), start=2):
        seen = seen.narrow(axis, 0, count * step)
    split = [n for pair in zip(counts, kernel, strict=True) for n in pair]
    seen = seen.reshape(*seen.shape[:2], *split)
    axes = len(kernel)
    order = [0, *range(2, 2 + 2 * axes, 2), 1, *range(3, 3 + 2 * axes, 2)]
    rows = seen.permute(order).reshape(seen.shape[0] * prod(counts), -1)
    out = functional.linear(rows, module.weight.flatten(1), module.bias)
    return out.view(seen.shape[0], *counts, -1).movedim(-1, 1)
