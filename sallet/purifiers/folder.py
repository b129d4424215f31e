"""A purifier's folder: networks as diffusers saves them, and one file that says how to use them."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from sallet.core.errors import ModelError
from sallet.purifiers.network import Network
from sallet.purifiers.space import LatentSpace, PixelSpace, Space
from sallet.purifiers.stable import load_adapter, prompted, save_adapter

Kind: TypeAlias = Literal["flow", "diffusion"]
FILE = "purifier.json"
FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a folder says of itself. `kind` is how the network was taught: the way from hostile to
    clean (`flow`), or the picture under any noise (`diffusion`); `noise` is what a flow starts
    with, and `steps` how many it takes. `base` names the Stable Diffusion that an adapter of `rank`
    is of."""

    kind: Kind
    space: Literal["pixel", "latent"] = "pixel"
    fold: int = 1
    noise: float = 0.0
    steps: int = 1
    base: str | None = None
    rank: int = 0
    trained: dict[str, Any] = field(default_factory=dict[str, Any])
    format: int = FORMAT


@dataclass(frozen=True, eq=False)
class Purifier:
    """A network, where it walks, and for a diffusion the schedule that it was taught with."""

    card: Card
    network: Network
    space: Space
    scheduler: Any = None

    def save_pretrained(self, folder: str | Path) -> Path:
        """Writes the folder, the network in float16; what was there before is replaced when all is
        written."""
        folder = Path(folder)
        fresh = folder.with_name(folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        if self.card.base is not None:
            save_adapter(self.network, fresh)
        else:
            unet = copy.deepcopy(self.network.unet).half()
            unet.register_to_config(_name_or_path="")  # where it was read from is nobody's business
            unet.save_pretrained(fresh / "unet")
        if self.scheduler is not None:
            self.scheduler.save_pretrained(fresh / "scheduler")
        if isinstance(self.space, LatentSpace) and self.card.base is None:
            self.space.autoencoder.save_pretrained(fresh / "autoencoder")
        (fresh / FILE).write_text(json.dumps(asdict(self.card), indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        return folder

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> Purifier:
        """Reads a folder that `save_pretrained` wrote; float32, no gradient to its weights."""
        folder = Path(folder)
        card = _card(folder)
        if card.base is not None:
            network, latent = prompted(card.base, noise=card.noise, rank=card.rank)
            load_adapter(network, folder)
            latent.autoencoder.to(device)
            return cls(card, network.to(device).eval().requires_grad_(False), latent)
        unet = _loaded("UNet2DModel", folder / "unet").float()
        network = Network(unet, card.fold, way=card.kind == "flow")
        space: Space = PixelSpace()
        if card.space == "latent":
            space = LatentSpace.load(folder / "autoencoder")
            space.autoencoder.to(device)
        scheduler = None
        if card.kind == "diffusion":
            scheduler = _loaded("DDPMScheduler", folder / "scheduler")
        return cls(card, network.to(device).eval().requires_grad_(False), space, scheduler)


def _card(folder: Path) -> Card:
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"there is no {FILE} in {folder}; give a folder that `sallet train purifier` wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}; write the folder anew") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        got = data.get("format") if isinstance(data, dict) else data
        raise ModelError(
            f"{path} has format {got!r}, and this version reads {FORMAT}; train it again, or use "
            "the version that wrote it"
        )
    try:
        card = Card(**data)
    except TypeError as error:
        raise ModelError(f"{path} is not what it should be: {error}") from None
    if card.kind not in ("flow", "diffusion") or card.space not in ("pixel", "latent"):
        raise ModelError(f"{path}: kind {card.kind!r} in space {card.space!r} is not known here")
    return card


def _loaded(name: str, folder: Path) -> Any:
    import diffusers

    made: Any = getattr(diffusers, name)
    try:
        return made.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ModelError(f"cannot load {folder}: {first}") from error
