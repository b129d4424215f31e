"""Attention for training on a CPU: softmax in the tensors' own precision.

At these lengths attention is bound by memory; the classes' own version takes
the softmax in float32 and three times as long. It is registered with
``transformers`` under a name of ours, so that every class can use it, and is
never written into a saved model.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.modeling_utils import AttentionInterface

LEAN: Final = "sallet-lean"


def lean(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention ``[B,H,L,D]`` -> ``[B,L,H,D]`` with an additive mask."""
    batch, heads, length, wide = query.shape
    scale = wide**-0.5 if scaling is None else scaling
    # Rotary positions leave queries and keys in float32; the values tell the precision wanted.
    q, k, v = (x.to(value.dtype).reshape(batch * heads, -1, wide) for x in (query, key, value))
    if attention_mask is None:
        scores = torch.bmm(q, k.transpose(1, 2)) * scale
    else:
        mask = attention_mask.to(q.dtype).expand(batch, heads, length, -1)
        mask = mask.reshape(batch * heads, length, -1)
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale)
    out = torch.bmm(torch.softmax(scores, -1), v).view(batch, heads, length, wide)
    return out.transpose(1, 2), None


AttentionInterface.register(LEAN, lean)
AttentionMaskInterface.register(LEAN, eager_mask)
