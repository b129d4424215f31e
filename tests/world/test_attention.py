"""Lean attention: the eager one's numbers, as far as its precision goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers.models.llama.modeling_llama import eager_attention_forward

from sallet.world.attention import LEAN, lean
from sallet.world.makes import make

MODULE: Any = SimpleNamespace(num_key_value_groups=1, training=False)


def tensors(dtype: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 4, 20, 16).to(dtype) for _ in range(3)]


def causal(dtype: torch.dtype) -> torch.Tensor:
    return torch.full((20, 20), -1e4).triu(1)[None, None].to(dtype)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)], ids=["f32", "bf16"]
)
def test_it_gives_what_eager_gives(dtype: torch.dtype, tolerance: float, masked: bool) -> None:
    q, k, v = tensors(dtype)
    mask = causal(dtype) if masked else None
    ours, _ = lean(MODULE, q, k, v, mask, scaling=0.25)
    theirs, _ = eager_attention_forward(MODULE, q, k, v, mask, scaling=0.25)
    assert ours.shape == theirs.shape == (2, 20, 4, 16)
    assert ours.dtype == dtype
    assert (ours.float() - theirs.float()).abs().max() < tolerance
    if masked:
        assert not torch.equal(ours, lean(MODULE, q, k, v, None, scaling=0.25)[0])


def test_queries_in_float32_are_taken_in_the_values_precision() -> None:
    q, k, v = tensors(torch.float32)
    ours, _ = lean(MODULE, q, k, v.bfloat16(), causal(torch.float32))
    exact, _ = eager_attention_forward(MODULE, q, k, v, causal(torch.float32), scaling=0.25)
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - exact).abs().max() < 5e-2


@pytest.mark.parametrize("name", ["llava", "internvl"])
def test_a_tower_takes_it_by_name(name: str) -> None:
    torch.manual_seed(0)
    tower = make(name).tower().eval()
    pixels = torch.randn(2, 3, 192, 192)
    found = {}
    for attention in ("eager", LEAN):
        tower.set_attn_implementation(attention)
        with torch.no_grad():
            found[attention] = make(name).states(tower, pixels)
    assert (found["eager"] - found[LEAN]).abs().max() < 1e-4
