"""Where attacks search: a smooth change stays in its ball, a patch changes its place alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sallet.attacks.low_frequency import LowFrequency, Smooth
from sallet.attacks.patch import Patch, Patched
from sallet.attacks.placing import Placing
from sallet.core.errors import RecipeError, UsageError
from sallet.core.image import to_float
from sallet.core.query import Query
from tests.attacks.test_descent import JUDGE, QUERIES, distance, goals_for, rate
from tests.core.toys import Toy, picture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["untargeted", "targeted"])
def test_a_smooth_change_breaks_the_toy_inside_its_ball(kind: str):
    model = Toy()
    goals = goals_for(model, kind)
    attack = LowFrequency(eps=24, grid=4, steps=30)
    hostile = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in hostile], goals) >= 0.9
    for query, made in zip(QUERIES, hostile, strict=True):
        assert 0 < np.abs(distance(query, made.query)).max() <= 24


@pytest.mark.parametrize("eps", [1.0, 2.6, 8.0])
@pytest.mark.parametrize("size", [(48, 80), (80, 48), (7, 7)])
def test_knots_in_the_ball_give_a_change_in_the_ball(eps: float, size: tuple[int, int]):
    space, clean = Smooth(eps, 6), torch.full((3, *size), 128 / 255)
    knots = space.project(space.start(clean, generator()) * 5, clean)
    change = space.change(clean, knots)
    assert change.shape == clean.shape
    assert change.abs().max() <= eps / 255 + 1e-6
    moved = space.file(clean, knots).pixels().astype(int) - 128
    assert 0 < np.abs(moved).max() <= int(eps)
    flat = space.change(clean, space.project(torch.ones_like(knots), clean))
    assert torch.allclose(flat, torch.full_like(flat, eps / 255), rtol=1e-3)  # all of it


def test_the_change_has_low_frequencies_only():
    clean = torch.full((3, 96, 96), 0.5)
    space = Smooth(8, 12)
    change = space.change(clean, space.start(clean, generator()))
    power = torch.fft.rfft2(change).abs().square()
    low = power[:, [*range(12), *range(85, 96)], :12].sum()
    assert low / power.sum() > 0.95  # of white noise: 0.06


@pytest.mark.parametrize("kind", ["untargeted", "targeted"])
def test_a_patch_breaks_the_toy_and_changes_only_its_place(kind: str):
    model = Toy()
    goals = goals_for(model, kind)
    attack = Patch(side=0.5, location="top-left", steps=40)
    hostile = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in hostile], goals) >= 0.8
    for query, made in zip(QUERIES, hostile, strict=True):
        change = distance(query, made.query)[0]
        assert np.abs(change[:6, :6]).max() > 0
        assert not change[6:].any()
        assert not change[:, 6:].any()


def test_a_patch_that_may_lie_anywhere_lies_in_many_places_and_as_often_works():
    model = Toy()
    goals = goals_for(model, "untargeted")
    attack = Patch(side=6, location="random", steps=60)
    hostile = attack(model, QUERIES, goals, judge=JUDGE, seed=0)
    assert rate(model, [h.query for h in hostile], goals) >= 0.6
    corners = set()
    for query, made in zip(QUERIES, hostile, strict=True):
        rows, columns, _ = np.nonzero(distance(query, made.query)[0])
        corners.add((rows.min(), columns.min()))
    assert len(corners) > 5


@pytest.mark.parametrize("rotation", [0.0, 30.0, 180.0])
def test_a_turned_patch_keeps_its_middle_and_its_gradient(rotation: float):
    space = Patched(Placing(10, "centre", rotation))
    clean = torch.zeros(3, 40, 40)
    patch = torch.ones(3, 10, 10, requires_grad=True)
    shown = space.show(clean, patch, generator(3))
    assert shown[:, 17:23, 17:23].min() > 0.99  # covered whole, whatever the angle
    assert 80 <= float(shown[0].detach().sum()) <= 120
    assert shown[:, :12].abs().max() == 0
    shown.sum().backward()
    assert patch.grad is not None
    assert bool((patch.grad > 0).all())


def test_what_is_filed_is_what_was_shown():
    clean, space = to_float(picture(1, 30).pixels()), Patched(Placing(0.3, "0.2,0.8"))
    patch = space.start(clean, generator())
    shown = space.show(clean, patch, generator()) * 255
    filed = torch.from_numpy(space.file(clean, patch).pixels().copy()).permute(2, 0, 1)
    assert (shown - filed).abs().max() <= 0.501


def test_a_picture_that_is_smaller_than_the_patch_is_an_error_that_says_both_sizes():
    query = Query.ask(picture(0, 12), "what colour ?")
    with pytest.raises(RecipeError, match="16x16 pixels does not fit into a picture of 12x12"):
        Patch(side=16, steps=2)(
            Toy(), [query], goals_for(Toy(), "targeted")[:1], judge=JUDGE, seed=0
        )
    with pytest.raises(RecipeError, match="when turned"):
        Patch(side=11, rotation=45, steps=2)(
            Toy(), [query], goals_for(Toy(), "targeted")[:1], judge=JUDGE, seed=0
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 0}, {"side": 1.5}, {"location": "left"}, {"location": "0.2,3"}, {"eps": 8},
        {"rotation": 200}, {"norm": "l2"},
    ],
)  # fmt: skip
def test_wrong_settings_of_a_patch_are_met_with_what_is_meant(wrong):
    with pytest.raises(UsageError):
        Patch(**wrong)


def test_a_smooth_change_is_of_linf():
    with pytest.raises(RecipeError, match="linf"):
        LowFrequency(norm="l2")
    with pytest.raises(RecipeError, match="knot"):
        LowFrequency(grid=0)
