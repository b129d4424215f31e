"""From encoded prompts (and targets) of different lengths to one left-padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sallet.models.prompt import Encoded

IGNORED = -100


@dataclass(frozen=True, eq=False)
class Batch:
    """`inputs` end at every row's right edge; `labels` `[B, longest target]` as well.

    `lengths` are the targets'; without targets both are empty.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    lengths: Tensor

    @property
    def width(self) -> int:
        """Tokens a row, padding included."""
        return int(self.inputs["input_ids"].shape[1])


def assemble(
    prompts: Sequence[Encoded],
    targets: Sequence[Tensor] | None,
    *,
    pad: int,
    device: torch.device,
    positions: bool,
) -> Batch:
    """Pads on the left, so that every row's next token, or its whole target, is at the end.

    A target's tokens are text: kind 0 in every per-token kind that the prompt has. `positions`
    adds position ids that count from each row's own first token.
    """
    tails = targets or [torch.empty(0, dtype=torch.long)] * len(prompts)
    rows = [torch.cat([p.ids, tail]) for p, tail in zip(prompts, tails, strict=True)]
    inputs = {
        "input_ids": left_pad(rows, pad),
        "attention_mask": left_pad([torch.ones_like(row) for row in rows], 0),
    }
    for kind in sorted({key for p in prompts for key in p.kinds}):
        kinds = [
            torch.cat([p.kinds.get(kind, torch.zeros_like(p.ids)), torch.zeros_like(tail)])
            for p, tail in zip(prompts, tails, strict=True)
        ]
        inputs[kind] = left_pad(kinds, 0)
    if positions:
        inputs["position_ids"] = (inputs["attention_mask"].cumsum(-1) - 1).clamp_min(0)
    return Batch(
        {key: value.to(device) for key, value in inputs.items()},
        left_pad(tails, IGNORED).to(device),
        torch.tensor([len(tail) for tail in tails], device=device),
    )


def left_pad(rows: Sequence[Tensor], value: int) -> Tensor:
    """`[n, longest]`, each row at the right edge."""
    out = torch.full((len(rows), max(len(row) for row in rows)), value, dtype=torch.long)
    for i, row in enumerate(rows):
        out[i, out.shape[1] - len(row) :] = row
    return out
