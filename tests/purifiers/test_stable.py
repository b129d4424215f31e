"""A Stable Diffusion's own classes, small and random: an adapter is trained, kept, loaded, used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from PIL import Image as Pil
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from sallet.cli.main import run
from sallet.core.errors import ModelError
from sallet.purifiers.folder import Purifier
from sallet.purifiers.stable import ADAPTER, prompted


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `StableDiffusionPipeline.save_pretrained` would write, in small."""
    root = tmp_path_factory.mktemp("stable")
    torch.manual_seed(0)
    UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=2,
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), in_channels=4, out_channels=4,
    ).save_pretrained(root / "unet")  # fmt: skip
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16), norm_num_groups=4, latent_channels=4,
    ).save_pretrained(root / "vae")  # fmt: skip
    words = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>"]
    (root / "words.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (root / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(
        str(root / "words.json"), str(root / "merges.txt"), model_max_length=8
    ).save_pretrained(root / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=4, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=8, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(root / "text_encoder")
    DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    ).save_pretrained(root / "scheduler")
    return root


def test_an_adapter_is_trained_saved_loaded_and_purifies(base: Path, tmp_path: Path):
    out, table = tmp_path / "out", tmp_path / "mine.csv"
    rng = np.random.default_rng(3)
    for name in ("a", "b"):
        Pil.fromarray(rng.integers(0, 256, (192, 192, 3), np.uint8)).save(tmp_path / f"{name}.png")
    table.write_text("image,question,answer\na.png,what is this?,a cat.\nb.png,and this?,a dog.\n")
    words = [
        "train", "purifier", "--out", str(out), "--base", str(base), "--space", "latent",
        "--rank", "2", "--noise", "0.3", "--steps", "20", "--batch", "2", "--crop", "32",
        "--guided", "1", "--round", "4", "--every", "20", "--save-every", "20",
        "--benchmark", f"own={table}", "--eps", "8",
    ]  # fmt: skip
    assert run(words) == 0
    folder = out / "purifier"
    assert sorted(path.name for path in folder.iterdir()) == [ADAPTER, "purifier.json"]
    state = load_file(folder / ADAPTER)
    assert any("lora_B" in key and float(value.abs().max()) > 0 for key, value in state.items())
    seen = tmp_path / "seen.png"
    Pil.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)).save(seen)
    assert run(["purify", str(seen), str(tmp_path / "clean.png"), "--purifier", str(folder)]) == 0
    with Pil.open(tmp_path / "clean.png") as clean, Pil.open(seen) as before:
        assert clean.size == (56, 40)
        assert np.any(np.asarray(clean) != np.asarray(before))
    loaded = Purifier.from_pretrained(folder)
    assert not any(weight.requires_grad for weight in loaded.network.parameters())
    (folder / ADAPTER).unlink()
    with pytest.raises(ModelError, match="write it anew"):
        Purifier.from_pretrained(folder)


def test_the_base_is_asked_at_the_time_that_has_as_much_noise(base: Path):
    """And what it takes for noise is walked back in full."""
    network, _ = prompted(str(base), noise=0.5, rank=2)
    asked: list[tuple[float, torch.Tensor]] = []
    inside = network.unet.unet

    def note(module: object, given: tuple[torch.Tensor, ...], kwargs: object, out: object) -> None:
        asked.append((float(given[1][0]), given[0]))

    inside.register_forward_hook(note, with_kwargs=True)
    points = torch.randn(1, 4, 16, 16)
    for time in (0.0, 500.0, 1000.0):
        network(points, torch.tensor([time]))
    kept = DDPMScheduler.from_pretrained(base, subfolder="scheduler").alphas_cumprod
    for (at, seen), wanted in zip(asked, (0.5, 0.25, 0.0), strict=True):
        level = float(((1 - kept[int(at)]) / kept[int(at)]).sqrt())
        assert level == pytest.approx(wanted, abs=0.03)
        assert torch.allclose(seen, points / (1 + level**2) ** 0.5, atol=1e-5)


def test_what_is_no_base_and_a_base_without_noise(base: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="no Stable Diffusion"):
        prompted(str(tmp_path), noise=0.5, rank=2)
    with pytest.raises(ModelError, match="above 0"):
        prompted(str(base), noise=0.0, rank=2)
