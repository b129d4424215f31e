"""What a vision-language model's own tower makes of pictures, for whoever must not change it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from sallet.core.errors import ModelError
from sallet.models.local import HFModel


def features(model: HFModel, pictures: Sequence[Tensor]) -> list[Tensor]:
    """`[tokens, d]` of each `[3,h,w]` picture, as the language model is handed them, with a graph.

    Several tiles of one picture come one after another.
    """
    see = getattr(model.model.model, "get_image_features", None)
    if see is None:
        raise ModelError(f"{model.name} has no tower of a kind known here; leave its features out")
    inputs = model.image_inputs(pictures)
    taken = inspect.signature(see).parameters
    pooled = see(**{key: value for key, value in inputs.items() if key in taken}).pooler_output
    rows = list(pooled) if not isinstance(pooled, Tensor) else [*pooled]
    if len(rows) % len(pictures):
        raise ModelError(
            f"{model.name} cuts pictures of one size into unlike numbers of tiles; train on "
            "pictures of one size"
        )
    tiles = len(rows) // len(pictures)
    return [torch.cat(rows[i : i + tiles]) for i in range(0, len(rows), tiles)]
