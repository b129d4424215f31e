"""`Settings`: all that decides what a trained purifier is, beside pairs and models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sallet.core.errors import RecipeError
from sallet.purifiers.folder import Kind


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides what comes out, beside the models. `every`: steps a round of pairs is new
    for; `window`: how many of the last rounds a step draws from; `guided`: whole pictures a step
    that the guide looks at; `crop`: side of the squares that the objective looks at; `start`: the
    folder of a purifier to go on from, in place of random weights; `base`: a Stable Diffusion, of
    which only an adapter of `rank` is trained.
    """

    kind: Literal["flow", "diffusion", "bridge"] = "flow"
    steps: int = 3000
    batch: int = 16
    crop: int = 128
    guided: int = 4
    rate: float = 1e-3
    noise: float = 0.0
    first: float = 0.5
    until: int = 1000
    at_inference: int = 1
    ema: float = 0.995
    every: int = 40
    window: int = 16
    seed: int = 0
    fold: int = 2
    widths: tuple[int, ...] = (32, 64, 96)
    layers: int = 1
    precision: Literal["no", "bf16", "fp16"] = "no"
    save_every: int = 200
    start: str | None = None
    base: str | None = None
    rank: int = 8

    def __post_init__(self) -> None:
        for key in ("steps", "batch", "crop", "every", "window", "save_every", "at_inference"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        if not 0 <= self.guided <= self.batch:
            raise RecipeError(f"guided is 0 to {self.batch}, the batch; it is {self.guided}")
        most = self.fold * 2 ** (len(self.widths) - 1)
        if self.crop % most:
            raise RecipeError(f"crop must be a multiple of {most} here; it is {self.crop}")

    @property
    def folder(self) -> Kind:
        """What kind of folder comes out: a bridge is walked as a diffusion is."""
        return "flow" if self.kind == "flow" else "diffusion"
