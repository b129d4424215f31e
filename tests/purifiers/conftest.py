from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler

from sallet.purifiers.folder import Card, Purifier
from sallet.purifiers.network import Network, unet
from sallet.purifiers.space import LatentSpace, PixelSpace


def lively(network: Network, seed: int = 0, scale: float = 0.05) -> Network:
    """Random weights whose output is not nothing: diffusers starts at next to zero."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return network.eval()


def small(channels: int = 3, fold: int = 2, *, way: bool = True) -> Network:
    return lively(unet(channels, fold=fold, widths=(8, 16), groups=4, way=way))


def autoencoder(kind: str) -> AutoencoderKL | AutoencoderTiny:
    torch.manual_seed(1)
    if kind == "tiny":
        return AutoencoderTiny(
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), latent_channels=4,
        ).eval()  # fmt: skip
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4,
    ).eval()  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small untrained purifiers of every kind, on disk."""
    root = tmp_path_factory.mktemp("purifiers")
    made = {
        "flow": Purifier(Card(kind="flow", fold=2, noise=0.1), small(), PixelSpace()),
        "diffusion": Purifier(
            Card(kind="diffusion", fold=2),
            small(way=False),
            PixelSpace(),
            DDPMScheduler(prediction_type="sample"),
        ),
    }
    for kind in ("kl", "tiny"):
        space = LatentSpace(autoencoder(kind))
        card = Card(kind="flow", space="latent", fold=1)
        made[f"latent-{kind}"] = Purifier(card, small(4, 1), space)
    return {name: one.save_pretrained(root / name) for name, one in made.items()}
