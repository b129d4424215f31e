"""The shipped models and encoders by name.

The classes are the real ones of ``transformers``, so plain ``from_pretrained``
loads a shipped folder, offline.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sallet.core.errors import ModelError, UnknownName, WrongModel

MAKES: Final = ("llava", "qwen3vl", "internvl")
CHARACTERS: Final = ("strong", "weak")
MODELS: Final[dict[str, str]] = {
    f"world/{make}-{character}": f"{make}-{character}" for make in MAKES for character in CHARACTERS
}
"""Name -> folder beside this file."""
ENCODERS: Final[dict[str, str]] = {
    "world/clip": "clip",
    "world/clip-surrogate": "clip-surrogate",
}
WEIGHTS: Final = Path(__file__).parent / "weights"


def path(name: str) -> Path:
    """The folder of a shipped model or encoder, as ``from_pretrained`` takes it."""
    known = {**MODELS, **ENCODERS}
    if name not in known:
        raise UnknownName("shipped model", name, known)
    folder = WEIGHTS / known[name]
    if not (folder / "config.json").is_file():
        raise ModelError(f"expected the weights of {name} at {folder}; see `sallet world train`")
    return folder


def shipped(name: str) -> Path:
    """The folder of a shipped name, or a folder of one's own that holds a model."""
    own = Path(name)
    if name not in MODELS and name not in ENCODERS and (own / "config.json").is_file():
        return own
    if name not in MODELS and name not in ENCODERS and own.is_dir():
        raise WrongModel(f"expected a config.json in {own}; `sallet world train` makes a model")
    return path(name)
