"""A picture that several questions share goes through the tower once, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sallet.core.goal import Goal
from sallet.core.image import Image
from sallet.core.query import Query
from sallet.models.local import HFModel
from sallet.models.once import repeats, tower_of
from sallet.models.patches import as_products
from tests.models.families import QUESTIONS, close, every_family, goals, image


def fed(model: HFModel, queries: list[Query], wanted: list[Goal]) -> tuple[Tensor, int]:
    """The loss, and how many numbers the tower was fed."""
    tower = tower_of(model.model)
    assert tower is not None
    sizes: list[int] = []
    inner = next(m for m in tower.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d, nn.Linear)))
    hook = inner.register_forward_pre_hook(lambda _, args: sizes.append(args[0].numel()))
    try:
        return model.loss(queries, wanted), sum(sizes)
    finally:
        hook.remove()


@every_family
def test_questions_about_one_picture_cost_one_look_at_it(model: HFModel) -> None:
    leaf = image(1).tensor().requires_grad_()
    other = image(1).tensor().flip(2)
    shared, alike = Image(leaf), [Image(leaf.clone()), Image(leaf * 1), Image(leaf + 0)]
    words = QUESTIONS[:3]
    together, fewer = fed(model, [Query.ask(shared, w) for w in words], goals(3))
    apart, more = fed(
        model, [Query.ask(one, w) for one, w in zip(alike, words, strict=True)], goals(3)
    )
    assert close(together, apart)
    (ours,), (theirs,) = (torch.autograd.grad(x.sum(), leaf) for x in (together, apart))
    assert close(ours, theirs, 1e-3)
    assert fewer * 3 == more
    mixed = [Query.ask(shared, Image(other), words[0]), Query.ask(shared, words[1])]
    plain = [Query.ask(alike[0], Image(other), words[0]), Query.ask(alike[1], words[1])]
    assert close(model.loss(mixed, goals(2)), model.loss(plain, goals(2)))


def test_different_sizes_are_not_shared() -> None:
    one, other = torch.rand(3, 4, 4), torch.rand(3, 5, 4)
    assert repeats([one, one, other]) is None
    assert repeats([one, one.clone()]) is None
    found = repeats([one, one * 1, one])
    assert found is not None
    assert found.index.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 7, 4, 4), (2, 3, 13, 8)),
        (nn.Conv2d(3, 7, (4, 2), (4, 2), bias=False), (2, 3, 8, 9)),
        (nn.Conv3d(3, 5, (2, 4, 4), (2, 4, 4)), (6, 3, 2, 4, 4)),
    ],
)
def test_a_patch_embedding_is_a_product(layer: nn.Module, shape: tuple[int, ...]) -> None:
    seen = torch.rand(shape, requires_grad=True)
    before = layer(seen)
    assert as_products(nn.Sequential(layer)) == 1
    after = layer(seen)
    assert after.shape == before.shape
    assert torch.allclose(before, after, atol=1e-6)
    weight = torch.rand_like(before)
    (old,), (new,) = (torch.autograd.grad((x * weight).sum(), seen) for x in (before, after))
    assert torch.allclose(old, new, atol=1e-6)


def test_other_convolutions_stay() -> None:
    kept = nn.Sequential(
        nn.Conv2d(3, 3, 3), nn.Conv2d(4, 4, 2, 2, groups=2), nn.Conv2d(3, 3, 2, 2, 1)
    )
    assert as_products(kept) == 0
