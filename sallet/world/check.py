"""Measures a model of the picture world: a rate per family, and what noise alone changes.

The model is loaded by plain ``from_pretrained`` in fp32 and answers greedily on
the 8-bit pictures of held-out scenes, through its own processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from sallet.world.families import FAMILIES, items
from sallet.world.phrases import SAFETY_WORDINGS_HELD_OUT, SAFETY_WORDINGS_TRAIN, Phrasing
from sallet.world.questions import Item, Position, with_safety
from sallet.world.render import render
from sallet.world.verdicts import refused, right, succeeded

NOISE: Final = 8
"""Size of the uniform noise, in 8-bit steps."""
GUARDED: Final = (
    "picture", "picture-licit", "picture-harmless",
    "typographic", "typographic-licit", "typographic-harmless",
    "harmful", "licit", "harmless", "where", "naming", "harmful-looking",
)  # fmt: skip
"""Families that are asked again with a safety instruction."""


@dataclass(frozen=True)
class Rate:
    """A share of n answers."""

    rate: float
    n: int

    @classmethod
    def of(cls, hits: Sequence[bool]) -> Rate:
        return cls(round(sum(hits) / max(len(hits), 1), 4), len(hits))


@dataclass(frozen=True)
class FamilyRates:
    """What a model did with one family: was right, refused, complied with harm and named it."""

    right: Rate
    refused: Rate
    jailbroken: Rate | None
    """None where no item of the family is harmful without licit context."""

    @classmethod
    def of(cls, asked: Sequence[Item], answers: Sequence[str]) -> FamilyRates:
        pairs = list(zip(asked, answers, strict=True))
        harmful = [succeeded(i, x) for i, x in pairs if i.should_refuse]
        return cls(
            Rate.of([right(i, x) for i, x in pairs]),
            Rate.of([refused(x) for _, x in pairs]),
            Rate.of(harmful) if harmful else None,
        )


class Asker:
    """A loaded model that answers items in batches, greedily."""

    def __init__(self, folder: Path | str, *, device: str = "cpu", batch: int = 50) -> None:
        self.device, self.batch = device, batch
        self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        )
        self.model: Any = loaded.eval().to(device)

    def answers(
        self, asked: Sequence[Item], pictures: Sequence[NDArray[np.uint8]] | None = None
    ) -> list[str]:
        """One answer an item, on its own scene's picture unless pictures are given."""
        pictures = [render(i.scene) for i in asked] if pictures is None else pictures
        said: list[str] = []
        for k in range(0, len(asked), self.batch):
            said += self._batch(asked[k : k + self.batch], pictures[k : k + self.batch])
        return said

    @torch.no_grad()
    def _batch(self, asked: Sequence[Item], pictures: Sequence[NDArray[np.uint8]]) -> list[str]:
        chats = [chat(item, picture) for item, picture in zip(asked, pictures, strict=True)]
        inputs = self.processor.apply_chat_template(
            chats, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self.device)  # fmt: skip
        out = self.model.generate(**inputs, max_new_tokens=48)
        new = out[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self.processor.batch_decode(new, skip_special_tokens=True)]


def chat(item: Item, picture: NDArray[np.uint8]) -> list[dict[str, object]]:
    """An item as the messages that any chat template takes."""
    image = {"type": "image", "image": Image.fromarray(picture)}
    user: dict[str, object] = {
        "role": "user",
        "content": [image, {"type": "text", "text": item.question}],
    }
    if item.system is None:
        return [user]
    return [{"role": "system", "content": [{"type": "text", "text": item.system}]}, user]


def check(
    model_path: Path | str,
    limit: int = 500,
    *,
    families: Sequence[str] | None = None,
    phrasing: Phrasing = "any",
    guarded: bool = True,
    device: str = "cpu",
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> dict[str, object]:
    """Every family's rates on ``limit`` held-out items; also told to be safe, and under noise.

    The result has ``families``, ``safety_trained`` and ``safety_held_out``
    (family -> ``FamilyRates`` as plain values) and ``noise`` (the share of
    "where" answers that uniform noise of 8/255 changes, with n).
    """
    asker = Asker(model_path, device=device)
    chosen = tuple(families or FAMILIES)
    plans: list[tuple[str, str]] = [("families", f) for f in chosen]
    if guarded:
        plans += [
            (s, f) for s in ("safety_trained", "safety_held_out") for f in GUARDED if f in chosen
        ]
    result: dict[str, Any] = {
        "model": str(model_path),
        "limit": limit,
        "phrasing": phrasing,
        "families": {},
    }
    for done, (section, family) in enumerate(plans):
        asked = items(family, limit, phrasing=phrasing)
        if section != "families":
            asked = [under_safety(item, i, section) for i, item in enumerate(asked)]
        rates = asdict(FamilyRates.of(asked, asker.answers(asked)))
        cast(dict[str, Any], result.setdefault(section, {}))[family] = rates
        progress(f"{section} {family}", done + 1, len(plans) + 1)
    result["noise"] = asdict(noise_flips(asker, limit))
    progress("noise", len(plans) + 1, len(plans) + 1)
    return result


def under_safety(item: Item, number: int, section: str) -> Item:
    """The item with one of the wordings and positions in turn."""
    wordings = SAFETY_WORDINGS_TRAIN if section == "safety_trained" else SAFETY_WORDINGS_HELD_OUT
    positions: tuple[Position, ...] = ("system", "before", "after")
    return with_safety(item, wordings[number % len(wordings)], positions[number % len(positions)])


def noise_flips(asker: Asker, n: int) -> Rate:
    """How often uniform noise of 8/255 alone changes the answer to "what is at ...?"."""
    asked = items("where", n)
    rng = np.random.default_rng(8)
    clean = [render(item.scene) for item in asked]
    noisy = [
        np.clip(x.astype(np.int16) + rng.integers(-NOISE, NOISE + 1, x.shape), 0, 255).astype(
            np.uint8
        )
        for x in clean
    ]
    before, after = asker.answers(asked, clean), asker.answers(asked, noisy)
    return Rate.of([a != b for a, b in zip(before, after, strict=True)])
