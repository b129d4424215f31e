"""A sampler of many steps is differentiated through whole, at the memory of one step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.iterate import iterate
from sallet.core.query import Query
from sallet.core.seeds import derive
from tests.core.toys import Drift, Iterative, Toy, picture

SEED = 5


def plain(drift: Drift, seen: Tensor) -> Tensor:
    """The same steps, written out."""
    for number in range(drift.times):
        generator = torch.Generator().manual_seed(derive(SEED, "iterate", number))
        seen = drift.step(seen, number, generator)
    return seen


def gradient(make, seen: Tensor) -> tuple[Tensor, Tensor]:
    leaf = seen.clone().requires_grad_()
    made = make(leaf)
    weights = torch.randn(made.shape, generator=torch.Generator().manual_seed(1))
    (made * weights).sum().backward()
    assert leaf.grad is not None
    return made.detach(), leaf.grad


def saved(make, seen: Tensor) -> int:
    """Values that autograd keeps for the way back, each storage once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made = make(seen.clone().requires_grad_())
        assert made.requires_grad
    return sum(kept.values())


def test_the_gradient_is_that_of_the_steps_written_out():
    drift, seen = Drift(), picture(0).tensor()
    value, through = gradient(lambda x: drift.purified(x, SEED), seen)
    expected, direct = gradient(lambda x: plain(drift, x), seen)
    assert torch.equal(value, expected)
    assert direct.abs().max() > 1e-3
    assert (through - direct).norm() <= 1e-5 * direct.norm()


def test_the_numbers_are_the_same_without_a_gradient_and_others_on_another_seed():
    drift, seen = Drift(), picture(0).tensor()
    with torch.no_grad():
        still = drift.purified(seen, SEED)
    assert torch.equal(still, drift.purified(seen.clone().requires_grad_(), SEED).detach())
    assert not torch.equal(still, drift.purified(seen, SEED + 1))


def test_the_caller_s_own_randomness_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    gradient(lambda x: Drift().purified(x, SEED), picture(0).tensor())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("times", [4, 32])
def test_what_is_kept_for_the_way_back_is_an_input_a_step_and_nothing_of_its_inside(times: int):
    """A step as deep as a network: six layers, of which only the first one's input is held."""
    seen = picture(0, 24).tensor()
    size = seen.numel()

    def deep(now: Tensor, number: int, generator: torch.Generator) -> Tensor:
        for _ in range(6):
            now = torch.tanh(1.1 * now + 0.01 * torch.randn(now.shape, generator=generator))
        return now

    def written_out(now: Tensor) -> Tensor:
        for number in range(times):
            now = deep(now, number, torch.Generator())
        return now

    assert saved(written_out, seen) >= 6 * times * size
    assert saved(lambda x: iterate(deep, x, times, SEED), seen) <= 1.1 * times * size


def test_each_step_is_made_again_on_the_way_back_alone():
    made: list[int] = []

    def step(now: Tensor, number: int, generator: torch.Generator) -> Tensor:
        made.append(number)
        return now * torch.rand(now.shape, generator=generator)

    leaf = picture(0).tensor().requires_grad_()
    shown = iterate(step, leaf, 3, SEED)
    assert made == [0, 1, 2]
    shown.sum().backward()
    assert made == [0, 1, 2, 2, 1, 0]


def test_a_step_may_look_at_what_is_to_be_purified():
    """Guidance by the attacked image itself: its gradient is not lost on the way."""
    leaf = picture(0).tensor().requires_grad_()

    def step(now: Tensor, number: int, generator: torch.Generator) -> Tensor:
        return 0.5 * now + 0.5 * torch.rand(now.shape, generator=generator) * leaf

    iterate(step, torch.zeros_like(leaf), 4, SEED).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().max() > 0.1


def test_an_attacker_rehearses_through_every_step():
    pixels = picture(2).tensor().requires_grad_()
    query = Query.ask(Image(pixels), "what colour ?").with_defense_seed(3)
    guarded(Toy(), Iterative()).loss([query], [Goal.say("blue")]).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0
