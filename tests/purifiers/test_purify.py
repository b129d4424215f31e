"""Purifiers as defences: alone as in a batch, at any size, with gradients, gated or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from PIL import Image as Pil
from torch import Tensor
from torch.nn import functional

from sallet.cli.main import run
from sallet.core.errors import InputError, ModelError, RecipeError
from sallet.core.goal import Goal
from sallet.core.guarded import Guarded, guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Query, Seeded
from sallet.defenses.purify import CoDefend, DiffPure
from sallet.purifiers.folder import Purifier
from sallet.purifiers.network import Network
from sallet.purifiers.quality import quality
from sallet.purifiers.run import MOST, Clean, load
from sallet.purifiers.samplers import Diffused, Flowing, leap
from sallet.purifiers.space import LatentSpace, PixelSpace
from tests.core.toys import Toy
from tests.purifiers.conftest import lively

SIZES = ((24, 24), (17, 30), (24, 24), (33, 9))


def picture(height: int, width: int, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    return Image(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def items() -> list[Seeded]:
    return [Seeded(picture(*size, i), 100 + i) for i, size in enumerate(SIZES)]


def workers(folders: dict[str, Path]) -> dict[str, Clean]:
    return {
        "diffpure": Clean(str(folders["diffusion"]), Diffused(6)),
        "diffpure-3": Clean(str(folders["diffusion"]), Diffused(6, 3)),
        "flow-1": Clean(str(folders["flow"]), Flowing(1, 0.1)),
        "flow-2": Clean(str(folders["flow"]), Flowing(2)),
        "latent-kl": Clean(str(folders["latent-kl"]), Flowing(2)),
        "latent-tiny": Clean(str(folders["latent-tiny"]), Flowing(1)),
    }


NAMES = ("diffpure", "diffpure-3", "flow-1", "flow-2", "latent-kl", "latent-tiny")


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_any_sizes_gives_what_each_gives_alone(name: str, folders: dict[str, Path]):
    work = workers(folders)[name]
    together = work(items())
    for item, made in zip(items(), together, strict=True):
        (alone,) = work([item])
        assert made.size == item.image.size
        assert (made.tensor() - alone.tensor()).abs().max() < 1e-5
        assert not torch.equal(made.tensor(), item.image.tensor())
    assert all(not made.tensor().requires_grad for made in together)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_says_so_looks_at_the_seed(name: str, folders: dict[str, Path]):
    work = workers(folders)[name]
    one, other = (work([Seeded(picture(24, 24), seed)])[0].tensor() for seed in (1, 2))
    assert torch.equal(one, other) != work.sampler.stochastic
    assert torch.equal(one, work([Seeded(picture(24, 24), 1)])[0].tensor())


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_the_slope(name: str, folders: dict[str, Path]):
    """Through every step, as finite differences find it; computed again on the way back."""
    work = workers(folders)[name]
    purifier = load(work.folder)
    purifier.network.double()
    if isinstance(purifier.space, LatentSpace):
        purifier.space.autoencoder.double()
    try:
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(3, 16, 16, generator=generator, dtype=torch.float64)
        ahead = torch.randn(3, 16, 16, generator=generator, dtype=torch.float64)
        clean = 0.3 + 0.4 * torch.rand(3, 16, 16, generator=generator, dtype=torch.float64)

        def value(seen: Tensor) -> Tensor:
            return (work([Seeded(Image(seen), 7)])[0].tensor() * weights).sum()

        leaf = clean.clone().requires_grad_()
        value(leaf).backward()
        assert leaf.grad is not None
        step = 1e-5
        slope = (value(clean + step * ahead) - value(clean - step * ahead)) / (2 * step)
        assert torch.isclose((leaf.grad * ahead).sum(), slope, rtol=1e-3)
    finally:
        purifier.network.float()
        if isinstance(purifier.space, LatentSpace):
            purifier.space.autoencoder.float()


class Steady(torch.nn.Module):
    """A U-Net that always says the same grey picture."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def forward(self, seen: Tensor, time: Tensor) -> Any:
        return SimpleNamespace(sample=torch.full_like(seen, 0.25))


@pytest.mark.parametrize("steps", [1, 3])
def test_a_way_ends_at_the_picture_that_the_network_says(steps: int, folders: dict[str, Path]):
    """Where it says the same picture at every step, that is where it ends; and what the U-Net says
    is the picture, from the first step on."""
    purifier = load(str(folders["flow"]))
    start = torch.rand(2, 3, 8, 8) * 2 - 1
    said = purifier.network.unet(functional.pixel_unshuffle(start, 2), torch.zeros(2)).sample
    after = Flowing(1).run(purifier, start, [0, 1])
    assert torch.allclose(after, functional.pixel_shuffle(said, 2), atol=1e-5)
    wanted = torch.full((1, 3, 8, 8), 0.25)
    network = Network(Steady(purifier.network.unet.config), 2, way=True)
    same = Purifier(purifier.card, network, purifier.space)
    assert torch.allclose(Flowing(steps).run(same, start[:1], [0]), wanted, atol=1e-5)


@pytest.mark.parametrize("says", ["epsilon", "sample"])
@pytest.mark.parametrize(("until", "steps"), [(120, 2), (100, 10), (150, 2), (90, 5)])
def test_a_leap_ends_at_the_level_that_the_network_is_told_next(until: int, steps: int, says: str):
    """A network that knows the noise, or the picture under it, leads back exactly to where it
    began; diffusers agrees where its own stride is whole."""
    scheduler = DDPMScheduler(clip_sample=False, prediction_type=says)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(1, 3, 4, 4, generator=generator) for _ in range(2))
    guess = noise if says == "epsilon" else clean
    stride = until // steps
    seen = scheduler.add_noise(clean, noise, torch.tensor([until - 1]))
    for time in range(until - 1, -1, -stride):
        assert torch.allclose(
            seen, scheduler.add_noise(clean, noise, torch.tensor([time])), atol=1e-5
        )
        after = leap(scheduler, guess, time, seen, stride)
        if 1000 % stride == 0:
            theirs = DDIMScheduler.from_config(scheduler.config, set_alpha_to_one=True)
            theirs.set_timesteps(1000 // stride)
            assert torch.allclose(after, theirs.step(guess, time, seen).prev_sample, atol=1e-5)
        seen = after
    assert torch.allclose(seen, clean, atol=1e-4)


def test_weights_that_change_make_another_defence(folders: dict[str, Path], tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(folders["flow"], copy)
    defense = CoDefend(folder=str(copy), noise=0)
    before = defense.digest
    assert before == CoDefend(folder=str(folders["flow"])).digest
    work = Clean(str(copy), Flowing(1))
    (first,) = work([Seeded(picture(24, 24), 0)])
    Purifier(
        load(str(copy)).card, lively(load(str(copy)).network, 5), PixelSpace()
    ).save_pretrained(copy)
    assert defense.digest != before
    (second,) = work([Seeded(picture(24, 24), 0)])
    assert not torch.equal(first.tensor(), second.tensor())


def test_fewer_evaluations_are_fewer(folders: dict[str, Path]):
    for work, expected in ((Flowing(1), 1), (Flowing(4), 4), (Diffused(6), 6), (Diffused(6, 2), 2)):
        folder = str(folders["flow" if isinstance(work, Flowing) else "diffusion"])
        calls: list[int] = []
        hook = load(folder).network.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        Clean(folder, work)(items()[:1])
        hook.remove()
        assert len(calls) == work.evaluations == expected


def test_a_large_picture_keeps_its_detail(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    """Only a change is enlarged: where the network changes nothing, every pixel stays."""
    purifier = load(str(folders["flow"]))
    large = picture(MOST + 90, 40, 3)
    work = Clean(str(folders["flow"]), Flowing(1))
    changed = work([Seeded(large, 0)])[0]
    assert changed.size == large.size
    assert not np.array_equal(changed.pixels(), large.pixels())
    monkeypatch.setattr(purifier.network, "forward", lambda seen, time: torch.zeros_like(seen))
    same = work([Seeded(large, 0)])[0]
    assert np.array_equal(same.pixels(), large.pixels())


@pytest.mark.parametrize("kind", ["kl", "tiny"])
def test_what_an_autoencoder_loses_is_not_lost(kind: str, folders: dict[str, Path]):
    space = load(str(folders[f"latent-{kind}"])).space
    seen = picture(17, 30).tensor()[None]
    with torch.no_grad():
        point = space.to(seen)
        assert point.shape[1] == 4
        assert torch.equal(space.back(seen, point, point), seen)
        assert not torch.allclose(space.back(seen, point, point + 1), seen, atol=1e-4)


def test_a_gate_lets_through_what_looks_clean_and_the_attacker_may_aim_at_it(
    folders: dict[str, Path],
):
    folder = str(folders["flow"])
    alarm = float(
        load(folder).network(picture(24, 24).tensor()[None] * 2 - 1, torch.zeros(1))
        .square().mean().sqrt()
    )  # fmt: skip
    query = Query.ask(picture(24, 24), "what colour ?")
    shown: list[list[str]] = []

    class Watching(Toy):
        def answer(self, queries):
            shown.append([image.digest for query in queries for image in query.images])
            return super().answer(queries)

    ends: list[str] = []
    for gate in (None, alarm * 0.9, alarm * 1.1):
        defense = CoDefend(folder=folder, noise=0, steps=2, gate=gate)
        (answer,) = guarded(Watching(), defense).answer([query])
        assert isinstance(answer, Answer)
        ends.append(shown[-1][0])
    assert ends[0] == ends[1] != ends[2] == query.images[0].digest
    pixels = query.images[0].tensor().requires_grad_()
    target = Guarded(Toy(), CoDefend(folder=folder, noise=0, steps=2, gate=alarm * 0.9))
    loss = target.loss([query.with_images([Image(pixels)])], [Goal.say("red")])
    loss.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


def test_a_query_without_pictures_passes(folders: dict[str, Path]):
    query = Query.ask("what colour ?")
    for defense in (
        DiffPure(folder=str(folders["diffusion"]), until=2),
        CoDefend(folder=str(folders["flow"])),
        CoDefend(folder=str(folders["flow"]), gate=1),
    ):
        assert isinstance(guarded(Toy(), defense).answer([query])[0], Answer)


def test_defences_say_what_they_are(folders: dict[str, Path]):
    folder = str(folders["flow"])
    assert CoDefend(folder=folder).stochastic  # the folder's own noise
    assert not CoDefend(folder=folder, noise=0).stochastic
    assert CoDefend(folder=folder).sampler == Flowing(1, 0.1)
    assert CoDefend(folder=folder, steps=2).sampler.steps == 2
    assert DiffPure(until=100, steps=10).sampler.evaluations == 10
    assert CoDefend(folder=folder) == CoDefend(folder=folder)
    assert hash(CoDefend(folder=folder)) == hash(CoDefend(folder=folder))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Diffused(0), "1 to 1000"),
        (lambda: Diffused(100, 7), "divisor"),
        (lambda: Flowing(0), "at least 1"),
        (lambda: Flowing(1, 2.0), "0 to 1"),
        (lambda: DiffPure(until=5000), "1 to 1000"),
    ],
)
def test_settings_out_of_range_are_errors(make, expected: str):
    with pytest.raises(RecipeError, match=expected):
        make()


def test_a_folder_does_not_say_where_its_network_was_read_from(
    folders: dict[str, Path], tmp_path: Path
):
    Purifier.from_pretrained(folders["flow"]).save_pretrained(tmp_path / "again")
    assert str(folders["flow"]) not in (tmp_path / "again" / "unet" / "config.json").read_text()


def test_a_wrong_folder_says_what_is_wrong(folders: dict[str, Path], tmp_path: Path):
    with pytest.raises(ModelError, match=r"no purifier\.json"):
        Purifier.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is shipped"):
        load("world/nothing")
    copy = tmp_path / "copy"
    shutil.copytree(folders["flow"], copy)
    card = json.loads((copy / "purifier.json").read_text())
    for change, expected in (
        ({"format": 99}, "format 99"),
        ({"kind": "magic"}, "not known here"),
        ({"colour": 3}, "not what it should be"),
    ):
        (copy / "purifier.json").write_text(json.dumps(card | change))
        with pytest.raises(ModelError, match=expected):
            Purifier.from_pretrained(copy)
    (copy / "purifier.json").write_text(json.dumps(card))
    shutil.rmtree(copy / "unet")
    with pytest.raises(ModelError, match="cannot load"):
        Purifier.from_pretrained(copy)
    seeded = [Seeded(picture(24, 24), 0)]
    with pytest.raises(ModelError, match="use codefend"):
        Clean(str(folders["flow"]), Diffused(4))(seeded)
    with pytest.raises(ModelError, match="use diffpure"):
        Clean(str(folders["diffusion"]), Flowing(1))(seeded)


def test_how_near_it_comes_is_torchmetrics_own(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name, seed in (("seen", 1), ("clean", 2)):
        (tmp_path / name).mkdir()
        for i in range(2):
            Pil.fromarray(picture(24, 30, seed + 10 * i).pixels()).save(
                tmp_path / name / f"{i}.png"
            )
    words = ["purify", str(tmp_path / "seen"), str(tmp_path / "out"), "--purifier",
             str(folders["flow"]), "--against", str(tmp_path / "clean"), "--json"]  # fmt: skip
    assert run(words) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    psnr = [
        -10 * np.log10(np.mean((_read(tmp_path / "out" / f) - _read(tmp_path / "clean" / f)) ** 2))
        for f in ("0.png", "1.png")
    ]
    assert shown["psnr"] == pytest.approx(np.mean(psnr), abs=1e-3)
    assert -1 <= shown["ssim"] < 1
    (tmp_path / "clean" / "1.png").unlink()
    assert run(words) == 2
    assert "1.png" in capsys.readouterr().err
    with pytest.raises(InputError, match="30x24"):
        quality([torch.zeros(3, 24, 30)], [torch.zeros(3, 24, 24)])
    same = torch.rand(3, 24, 24)
    assert quality([same], [same])[0].psnr == 100


def _read(path: Path) -> np.ndarray:
    with Pil.open(path) as image:
        return np.asarray(image.convert("RGB")) / 255
