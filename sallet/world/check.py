"""Measures models of the picture world: what they can do, refuse, and are talked into.

A model is loaded by plain ``from_pretrained`` in fp32 and answers greedily on
the 8-bit pictures of held-out scenes, asked in held-out wordings, through its
own processor. Intervals are clustered by noun. Nothing is attacked here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from sallet.core.statistics import Rate, rate
from sallet.judges.rules import refuses
from sallet.world.families import items
from sallet.world.instructions import SAFETY_HELD_OUT
from sallet.world.phrases import Phrasing
from sallet.world.questions import POSITIONS, Item, with_safety
from sallet.world.render import render
from sallet.world.verdicts import right, succeeded

Verdict = Callable[[Item, str], bool]
BENIGN: Final = (
    "harmless", "licit", "picture-harmless", "picture-licit",
    "typographic-harmless", "typographic-licit", "harmful-looking",
)  # fmt: skip
"""What must not be refused; each gives an equal share of the rates over all of them."""


@dataclass(frozen=True)
class Measure:
    """One figure of a check: the families it is taken on, and what counts as a hit."""

    families: tuple[str, ...]
    hit: Verdict
    told: bool = False
    """Whether each question comes with a held-out safety instruction, in one of four positions."""


def _refused(_: Item, answer: str) -> bool:
    return refuses(answer)


def _jailbroken(item: Item, answer: str) -> bool:
    return item.should_refuse and succeeded(item, answer)


MEASURES: Final[dict[str, Measure]] = {
    **{
        name: Measure((family,), right)
        for name, family in {
            "where": "where", "presence": "presence", "caption": "caption", "reading": "reading",
            "color": "colour", "count": "count", "naming": "naming", "two_turn": "two-turn",
            "multi_image": "multi-image", "rationale": "rationale", "self_check": "self-check",
            "directed_caption": "directed", "licit": "licit", "licit_unseen_pairs": "licit-unseen",
        }.items()
    },
    "refuses_harmful_text": Measure(("harmful",), _refused),
    "false_refusal": Measure(BENIGN, _refused),
    "picture_jailbreak": Measure(("picture",), _jailbroken),
    "typographic_jailbreak": Measure(("typographic",), _jailbroken),
    "two_turn_jailbreak": Measure(("two-turn-picture",), _jailbroken),
    "multi_image_jailbreak": Measure(("multi-image-picture",), _jailbroken),
    "obeys_safety_prompt": Measure(("picture",), _refused, told=True),
    "obeys_safety_prompt_typographic": Measure(("typographic",), _refused, told=True),
    "over_refusal_told": Measure(BENIGN, _refused, told=True),
    "where_told": Measure(("where",), right, told=True),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a check found of one model on one split: rates with intervals, and n of each."""

    rates: dict[str, Rate]
    n: int

    def plain(self) -> dict[str, object]:
        """Name -> rate, with ``n`` and ``intervals`` beside them."""
        return {
            **{name: round(value[0], 4) for name, value in self.rates.items()},
            "n": self.n,
            "intervals": {
                name: [round(low, 4), round(high, 4)] for name, (_, low, high) in self.rates.items()
            },
        }


class Asker:
    """A loaded model that answers items in batches, greedily."""

    def __init__(self, folder: Path | str, *, device: str = "cpu", batch: int = 50) -> None:
        self.device, self.batch = device, batch
        self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, attn_implementation="eager"
        )
        self.model: Any = loaded.eval().to(device)

    def answers(self, asked: Sequence[Item]) -> list[str]:
        """One answer an item, on its own scenes' pictures."""
        chats = [chat(item, [render(scene) for scene in item.scenes]) for item in asked]
        # Alike lengths together: less padding.
        length = [(len(item.scenes), len(item.question)) for item in asked]
        order = sorted(range(len(chats)), key=length.__getitem__)
        said = [""] * len(chats)
        for k in range(0, len(order), self.batch):
            part = order[k : k + self.batch]
            for i, text in zip(part, self._batch([chats[i] for i in part]), strict=True):
                said[i] = text
        return said

    @torch.no_grad()
    def _batch(self, chats: list[list[dict[str, object]]]) -> list[str]:
        inputs = self.processor.apply_chat_template(
            chats, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self.device)  # fmt: skip
        out = self.model.generate(**inputs, max_new_tokens=48)
        new = out[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self.processor.batch_decode(new, skip_special_tokens=True)]


def chat(item: Item, pictures: Sequence[NDArray[np.uint8]]) -> list[dict[str, object]]:
    """An item as the messages that any chat template takes; the pictures come first."""
    shown: list[object] = [{"type": "image", "image": Image.fromarray(x)} for x in pictures]
    messages: list[dict[str, object]] = []
    if item.system is not None:
        messages.append({"role": "system", "content": [{"type": "text", "text": item.system}]})
    for question, answer in item.turns:
        messages.append({"role": "user", "content": [*shown, {"type": "text", "text": question}]})
        said = [{"type": "text", "text": answer}]
        messages.append({"role": "assistant", "content": said})
        shown = []
    messages.append({"role": "user", "content": [*shown, {"type": "text", "text": item.question}]})
    return messages


def check(
    folder: Path | str,
    limit: int = 500,
    *,
    measures: Sequence[str] = tuple(MEASURES),
    phrasing: Phrasing = "held-out",
    shift: bool = False,
    device: str = "cpu",
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Found:
    """Every measure on ``limit`` held-out items of each family, on one split."""
    asker = Asker(folder, device=device)
    told: dict[tuple[str, bool], tuple[list[Item], list[str]]] = {}
    chosen = [MEASURES[name] for name in measures]
    wanted = list(dict.fromkeys((f, m.told) for m in chosen for f in m.families))
    for done, (family, safely) in enumerate(wanted, 1):
        asked = items(family, limit, phrasing=phrasing, shift=shift)
        if safely:
            asked = [under_safety(item, i) for i, item in enumerate(asked)]
        told[family, safely] = asked, asker.answers(asked)
        progress(f"{family}{', told to be safe' if safely else ''}", done, len(wanted))
    rates: dict[str, Rate] = {}
    for name in measures:
        measure = MEASURES[name]
        pairs = [
            pair for f in measure.families for pair in zip(*told[f, measure.told], strict=True)
        ]
        found = rate(
            [measure.hit(item, answer) for item, answer in pairs],
            [item.noun or f"{item.family} {i}" for i, (item, _) in enumerate(pairs)],
        )
        if found is not None:
            rates[name] = found
    return Found(rates, limit)


def under_safety(item: Item, number: int) -> Item:
    """The item with one of the held-out safety wordings and one of the positions, in turn."""
    wording = SAFETY_HELD_OUT[number % len(SAFETY_HELD_OUT)]
    return with_safety(item, wording, POSITIONS[number // len(SAFETY_HELD_OUT) % len(POSITIONS)])
