"""A shipped model or encoder of the picture world, as the catalogue builds it."""

from __future__ import annotations

import torch

from sallet.core.precision import fast_bfloat16
from sallet.models.load import device_of
from sallet.models.local import HFModel
from sallet.models.towers import TEMPLATE, Toward, Tower
from sallet.world.models import path


def load(name: str, *, device: str = "cpu", dtype: str = "float32", max_batch: int = 64) -> HFModel:
    """Answers in float32 on the CPU, so that a batch answers as one by one.

    Gradients are taken in bfloat16 where the CPU has it in hardware: several times faster, and an
    attack's success is checked on answers, never on its gradients. Attention is plain: at these
    lengths it is the fastest.
    """
    half = fast_bfloat16(device_of(device))
    return HFModel.from_pretrained(
        path(name),
        name=name,
        device=device,
        dtype=dtype,  # pyright: ignore[reportArgumentType]
        max_batch=max_batch,
        loss_dtype=torch.bfloat16 if half else None,
        attention="eager",
    )


def encoder(
    name: str, *, device: str = "cpu", template: str = TEMPLATE, toward: Toward = "text"
) -> Tower:
    """An encoder, in float32: what a transfer attack is made on."""
    return Tower.from_pretrained(
        path(name), name=name, device=device, template=template, toward=toward
    )
