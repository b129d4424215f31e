"""A purifier is trained on what the attack engine makes, and a stopped run goes on as if it had
not been."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler

from sallet import catalog
from sallet.cli.main import run
from sallet.core.errors import RecipeError, StoreError
from sallet.core.goal import Goal
from sallet.core.image import Image, to_float
from sallet.core.query import Seeded
from sallet.purifiers.folder import Purifier
from sallet.purifiers.run import purified
from sallet.purifiers.samplers import Flowing
from sallet.train import balance
from sallet.train.objectives import Bridge, Guide
from sallet.train.pairs import Mix, Pairs
from sallet.train.policy import OnPolicy
from sallet.train.purifier import Training
from sallet.train.settings import Settings

SMALL = Settings(
    steps=8, batch=4, crop=32, guided=1, every=4, window=2, save_every=4, widths=(8, 16),
)  # fmt: skip
MIX = Mix(attacks=(("pgd", {"steps": 2}), ("patch", {"steps": 2})), same=0.25, benign=0.25)
WHERE = ("world/where", "world/harmful-text")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> Any:
    return catalog.build("model", "world/llava-strong")


def training(out: Path, model: Any, settings: Settings = SMALL, **more: Any) -> Training:
    pairs = Pairs(out / "rounds", [model], MIX, WHERE, size=8, seed=settings.seed)
    guide = Guide([model], catalog.build("model", "world/clip"))
    return Training(out, settings, pairs, **{"guide": guide, **more})


def curve(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]


def test_a_stopped_run_goes_on_along_the_same_curve(tmp_path: Path, model: Any):
    whole = training(tmp_path / "whole", model).run()

    class Stop(Exception):
        pass

    def stop(step: int, steps: int, loss: float) -> None:
        if step == 6:
            raise Stop

    with pytest.raises(Stop):
        training(tmp_path / "parts", model).run(stop)
    parts = training(tmp_path / "parts", model).run()
    one, other = curve(tmp_path / "whole"), curve(tmp_path / "parts")
    assert [row["step"] for row in one] == [row["step"] for row in other] == list(range(8))
    assert all(row["guide"] > 0 for row in one)
    for a, b in zip(one, other, strict=True):
        assert a["objective"] == pytest.approx(b["objective"], rel=1e-4)
        assert a["guide"] == pytest.approx(b["guide"], rel=1e-4)
    first, second = (Purifier.from_pretrained(folder).network for folder in (whole, parts))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)
    assert sorted(p.name for p in (tmp_path / "parts").glob("preview-*.png")) == [
        "preview-000004.png", "preview-000008.png",
    ]  # fmt: skip
    with pytest.raises(StoreError, match="rate"):
        training(tmp_path / "parts", model, replace(SMALL, rate=1.0)).run()


def test_pairs_are_of_every_kind_inside_their_ball_and_kept(tmp_path: Path, model: Any):
    pairs = Pairs(tmp_path, [model], MIX, WHERE, size=24, seed=3)
    made = pairs.round(0)
    kinds = {pair.kind for pair in made}
    assert kinds == {"pgd", "patch", "same", "benign"}
    assert len(made) == 24
    for pair in made:
        change = np.abs(pair.hostile.astype(int) - pair.clean.astype(int))
        if pair.kind in ("same", "benign"):
            assert change.max() == 0
        elif pair.kind == "pgd":
            assert 0 < change.max() <= 16
        assert pair.answer
    again = Pairs(tmp_path, [model], MIX, WHERE, size=24, seed=3)
    for one, other in zip(made, again.round(0), strict=True):
        assert np.array_equal(one.hostile, other.hostile)
        assert (one.ask, one.answer, one.kind) == (other.ask, other.answer, other.kind)
    fresh = Pairs(tmp_path / "other", [model], MIX, WHERE, size=24, seed=3).round(1)
    assert {p.ask for p in fresh} != {p.ask for p in made} or not all(
        np.array_equal(a.clean, b.clean) for a, b in zip(made, fresh, strict=True)
    )


def test_a_bridge_leads_from_the_diffused_hostile_picture_to_the_clean_one():
    """Whoever says the clean picture has no loss, who says the hostile one has some; and at the
    horizon the point is the diffused hostile picture."""
    scheduler = DDPMScheduler()
    clean, hostile = torch.rand(64, 3, 4, 4), torch.rand(64, 3, 4, 4)
    points: list[tuple[torch.Tensor, torch.Tensor]] = []

    def exact(seen: Any, times: torch.Tensor) -> torch.Tensor:
        points.append((seen, times))
        return clean

    made: Any = Bridge(scheduler, 200)
    assert made(exact, hostile, clean, torch.Generator().manual_seed(0)) < 1e-8
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(clean.shape, generator=generator)
    top = torch.randint(100, 200, (64,), generator=generator)
    (seen, times) = points[0]
    assert bool((times <= top).all())
    assert len(times.unique()) > 20
    late = times >= top - 1
    assert bool(late.any())
    diffused = scheduler.add_noise(hostile, noise, times)
    assert torch.allclose(seen[times == top], diffused[times == top], atol=1e-5)
    assert made(lambda s, t: hostile, hostile, clean, torch.Generator().manual_seed(0)) > 1e-3


@pytest.mark.parametrize("kind", ["flow", "diffusion", "bridge"])
def test_what_is_learned_is_learned(tmp_path: Path, model: Any, kind: Any):
    """The loss falls by a third within a minute: of the noise, or of the way back."""
    steps = 140 if kind == "bridge" else 80  # its times have little noise, which is hardest to tell
    settings = replace(
        SMALL, kind=kind, steps=steps, guided=0, every=steps, save_every=steps, rate=3e-3, batch=8
    )
    out = training(tmp_path, model, settings, guide=None).run()
    losses = [row["objective"] for row in curve(tmp_path)]
    assert np.mean(losses[-10:]) < 0.67 * np.mean(losses[:5])
    made = Purifier.from_pretrained(out)
    assert made.card.trained["done"] == steps
    assert (made.scheduler is not None) == (kind != "flow")
    if kind == "flow":
        seen = Image(np.full((40, 40, 3), 99, np.uint8))
        (clean,) = purified(made, Flowing(1), [Seeded(seen, 0)])
        assert clean.shape == (3, 40, 40)


def test_on_policy_pictures_are_made_through_the_purifier_inside_their_ball(
    tmp_path: Path, model: Any
):
    settings = replace(SMALL, steps=4, save_every=4, guided=4)
    policy = OnPolicy([model], steps=4, eps=8)
    made = training(tmp_path, model, settings, policy=policy)
    pairs = made.pairs.round(0)
    purifier = made.purifier()

    def walk(seen: torch.Tensor, seed: int) -> torch.Tensor:
        points = purifier.space.to(seen[None])
        after = Flowing(1).run(purifier, points, [seed])
        return purifier.space.back(seen[None], points, after)[0].clamp(0, 1)

    def losses(shown: list[Any]) -> torch.Tensor:
        asked = [
            pair.query.with_images([Image(one)]) for pair, one in zip(pairs, shown, strict=True)
        ]
        return model.loss(asked, [Goal.say(pair.answer) for pair in pairs]).detach()

    hostile = policy(pairs, walk, 0, torch.Generator().manual_seed(1))
    for before, after in zip(pairs, hostile, strict=True):
        change = np.abs(after.hostile.astype(int) - before.clean.astype(int)).max()
        if before.kind == "pgd":
            assert after.kind == "policy"
            assert 0 < change <= 8
        else:
            assert after == before
    shown = [[walk(to_float(one), 0) for one in side] for side in (
        [pair.clean for pair in pairs], [pair.hostile for pair in hostile]
    )]  # fmt: skip
    attacked = [i for i, pair in enumerate(hostile) if pair.kind == "policy"]
    clean, bad = (losses(side)[attacked] for side in shown)
    assert bad.mean() > clean.mean() + 0.1

    folder = made.run()
    trained = Purifier.from_pretrained(folder).card.trained
    assert trained["policy"] == {"steps": 4, "eps": 8, "models": ["world/llava-strong"]}
    again = training(tmp_path / "on", model, replace(settings, start=str(folder)))
    for one, other in zip(
        Purifier.from_pretrained(folder).network.parameters(),
        again.network.parameters(),
        strict=True,
    ):
        assert torch.equal(one, other)
    with pytest.raises(RecipeError, match="is a flow"):
        training(tmp_path / "off", model, replace(settings, start=str(folder), kind="diffusion"))


def test_of_two_losses_neither_drowns_the_other():
    network = torch.nn.Linear(3, 1, bias=False)
    (weight,) = network.parameters()
    small, large = weight[0, 0] * 0.01, (weight[0, 1:] * 100).sum()
    balance.backward(Accelerator(), network, small, large)
    assert weight.grad is not None
    pulled = weight.grad[0]
    assert pulled[0] == pytest.approx(0.01)
    assert pulled[1:].norm() == pytest.approx(0.01)
    weight.grad = None
    balance.backward(Accelerator(), network, (weight[0, 1:] * 100).sum(), weight[0, 0] * 2)
    assert weight.grad is not None
    assert weight.grad[0].tolist() == pytest.approx([2, 100, 100])


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"steps": 0}, "at least 1"), ({"crop": 33}, "multiple of 4"), ({"guided": 9}, "0 to 4")],
)
def test_settings_that_cannot_be(change: dict[str, int], expected: str):
    with pytest.raises(RecipeError, match=expected):
        replace(SMALL, **change)


def test_clean_pictures_alone_and_no_noise_leave_nothing_to_learn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["train", "purifier", "--out", str(tmp_path / "out"), "--no-pairs"]) == 2
    assert "add --noise" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
