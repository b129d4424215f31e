"""Two measurements that say whether a model's gradients can be trusted.

`steps_apart`: how far the pixels that we show a model are from those that its own processor makes
of the same 8-bit picture (what a server shows it). `slope_error`: how far the gradient is from
the slope that finite differences find.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image as Pil
from PIL import ImageDraw
from torch import Tensor

from sallet.core.goal import Goal
from sallet.core.image import Image, Pixels, to_float
from sallet.core.query import Query
from sallet.models.local import HFModel

TOLERANCE = 1.1


def photograph(height: int, width: int, seed: int = 0) -> Pixels:
    """Smooth light, a few edges and sensor noise: what a photograph is to a resize."""
    rng = np.random.default_rng([seed, 1])
    coarse = Pil.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    canvas = coarse.resize((width, height), Pil.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    for _ in range(8):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        r = int(rng.integers(3, max(4, min(height, width) // 4)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(rng.integers(0, 256, 3).tolist()))
    noisy = np.asarray(canvas, dtype=np.float64) + rng.normal(0, 3, (height, width, 3))
    return noisy.clip(0, 255).round().astype(np.uint8)


def writing(height: int, width: int, seed: int = 0) -> Pixels:
    """Black words on white: where an unclamped bicubic resize is worst."""
    canvas = Pil.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for row, y in enumerate(range(2, height, 12)):
        draw.text((2 + (row + seed) % 5, y), "The quick brown fox jumps " * 12, fill="black")
    return np.asarray(canvas)


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Every pixel on its own."""
    rng = np.random.default_rng([seed, 2])
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


PICTURES: dict[str, Callable[[int, int], Pixels]] = {
    "photograph": photograph,
    "writing": writing,
    "noise": noise,
}


def tolerance(model: HFModel) -> float:
    """In 8-bit steps: what rounding after each resize of a chain can add up to.

    Idefics 3 and SmolVLM resize at least twice in a row, the others once.
    """
    return TOLERANCE * (2 if "pixel_attention_mask" in model.accepted else 1)


def steps_apart(model: HFModel, pixels: Pixels) -> float:
    """The largest difference, in 8-bit steps, between our image inputs and upstream's."""
    processor = model.processor
    query = Query.ask(Image(pixels), "what is this?")
    upstream = processor(
        text=[model.render(query)], images=[[Pil.fromarray(pixels)]], return_tensors="pt"
    )["pixel_values"]
    ours = model.image_inputs([to_float(pixels)])["pixel_values"]
    return float((steps(ours, processor) - steps(upstream, processor)).abs().max())


def steps(values: Tensor, processor: Any) -> Tensor:
    """Normalised pixel values as 8-bit steps, up to a constant a channel."""
    std = torch.tensor(processor.image_processor.image_std, dtype=torch.float64)
    values = values.double()
    flat_patches = values.ndim == 2  # Qwen: [patches, channel x time x height x width]
    shaped = values.view(len(values), 3, -1, 1) if flat_patches else values
    return shaped * std.view(3, 1, 1) * 255


def slope_error(
    model: HFModel, query: Query, goal: Goal, *, seed: int = 0, rise: float = 0.01
) -> float:
    """Relative error of the gradient against a central difference over half of all pixels.

    The pixels are pulled into [0.2, 0.8], where nothing clamps; the step is such that the loss
    moves by about `rise`.
    """
    generator = torch.Generator().manual_seed(seed)
    at = [(image.tensor() * 0.6 + 0.2).requires_grad_() for image in query.images]

    def loss(images: list[Tensor]) -> Tensor:
        return model.loss([query.with_images([Image(one) for one in images])], [goal])[0]

    grads = torch.autograd.grad(loss(at), at)
    ways = [g * (torch.rand(g.shape, generator=generator) < 0.5) for g in grads]
    length = torch.stack([way.square().sum() for way in ways]).sum().sqrt()
    ways = [way / length for way in ways]
    slope = sum(float((g * way).sum()) for g, way in zip(grads, ways, strict=True))
    step = rise / abs(slope)
    with torch.no_grad():
        up = loss([x + step * way for x, way in zip(at, ways, strict=True)])
        down = loss([x - step * way for x, way in zip(at, ways, strict=True)])
    return abs(float(up - down) / (2 * step) - slope) / abs(slope)
