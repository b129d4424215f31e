"""Stable Diffusion's U-Net as a purifier's network: what it knows of natural pictures, and a LoRA.

Nothing of the base is trained or stored: a folder holds the adapter, and names the base.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sallet.core.errors import ModelError
from sallet.purifiers.network import TIMES, Network
from sallet.purifiers.space import LatentSpace

ADAPTER = "adapter.safetensors"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2")


class Prompted(nn.Module):
    """A U-Net that wants words, given those of the empty prompt; and its noise as a velocity.

    The base was taught the noise in `sqrt(a) x + sqrt(1 - a) z`. A flow begins at `x + noise * z`,
    which is such a point but for its scale, and what noise is left at time t is `(1 - t) * noise`.
    So the base is asked at the time that has as much, and its answer, times `-noise`, is the way
    to the clean picture: right for noise from the first step; what attacks add is left to learn.
    """

    words: Tensor
    levels: Tensor

    def __init__(self, unet: Any, words: Tensor, kept: Tensor, noise: float) -> None:
        super().__init__()
        self.unet, self.noise = unet, noise
        self.register_buffer("words", words, persistent=False)
        self.register_buffer("levels", ((1 - kept) / kept).sqrt(), persistent=False)

    @property
    def config(self) -> Any:
        """The base's."""
        return self.unet.config

    def forward(self, seen: Tensor, time: Tensor) -> Any:
        """`time` is the flow's, in thousandths."""
        left = (1 - time.float() / TIMES) * self.noise
        at = torch.searchsorted(self.levels, left).clamp(max=len(self.levels) - 1)
        scale = (1 + self.levels[at].square()).rsqrt().view(-1, 1, 1, 1)
        words = self.words.to(seen.dtype).expand(len(seen), -1, -1)
        noise = self.unet(seen * scale, at, encoder_hidden_states=words).sample
        return SimpleNamespace(sample=-self.noise * noise)


def prompted(base: str, *, noise: float, rank: int) -> tuple[Network, LatentSpace]:
    """The network with a fresh adapter, and the base's latent space; only the adapter learns."""
    if noise <= 0:
        raise ModelError("a base that was taught noise needs some: give --noise above 0")
    unet, words, kept = _base(base)
    unet.requires_grad_(False)
    unet.add_adapter(_lora(rank))
    return Network(Prompted(unet, words, kept, noise)), LatentSpace.load(base, "vae")


def save_adapter(network: Network, folder: Path) -> None:
    """Only what was trained."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = get_peft_model_state_dict(network.unet.unet, adapter_name="default")
    save_file({key: value.half().contiguous() for key, value in state.items()}, folder / ADAPTER)


def load_adapter(network: Network, folder: Path) -> None:
    """Into a network of `prompted`."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    try:
        state = {key: value.float() for key, value in load_file(folder / ADAPTER).items()}
    except OSError as error:
        raise ModelError(f"cannot read {folder / ADAPTER}: {error}; write it anew") from None
    found: Any = set_peft_model_state_dict(network.unet.unet, state, adapter_name="default")
    if found is not None and found.unexpected_keys:
        raise ModelError(
            f"{folder / ADAPTER} is of another base: it has {found.unexpected_keys[0]}, which this "
            "one has not"
        )


def _lora(rank: int) -> Any:
    try:
        from peft import LoraConfig
    except ImportError:
        raise ModelError(
            "adapters need peft; install it with `pip install 'sallet[train]'`"
        ) from None
    return LoraConfig(
        r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=[*TARGETS]
    )


def _base(base: str) -> tuple[Any, Tensor, Tensor]:
    """The U-Net, the empty prompt's states, and how much of a picture is kept at each time."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    try:
        unet: Any = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
        tokenizer: Any = CLIPTokenizer.from_pretrained(base, subfolder="tokenizer")
        text: Any = CLIPTextModel.from_pretrained(base, subfolder="text_encoder")
        scheduler: Any = DDPMScheduler.from_pretrained(base, subfolder="scheduler")
    except (OSError, ValueError, KeyError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ModelError(
            f"{base} is no Stable Diffusion that can be loaded: {first}; give a hub name, or a "
            "folder with unet, vae, text_encoder, tokenizer and scheduler"
        ) from error
    long = int(text.config.max_position_embeddings)
    ids = tokenizer("", padding="max_length", max_length=long, return_tensors="pt").input_ids
    with torch.no_grad():
        words = text(ids).last_hidden_state
    return unet, words, scheduler.alphas_cumprod
