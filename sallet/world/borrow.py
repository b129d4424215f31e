"""Starts a make's language tower from another make's finished one.

As in the field, where vision-language models of different classes are built on
one language model: only the way pictures come in is learned anew, and a run
takes less than half the steps. Words are matched by their token, weights by
their name and shape; what the other class lacks stays as it was drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from sallet.world.loop import TrainingError


@torch.no_grad()
def borrow(model: Any, words: Any, folder: Path) -> None:
    """Copy the language tower of the model in ``folder`` into ``model``, of tokenizer ``words``."""
    if not (folder / "config.json").is_file():
        raise TrainingError(
            f"expected a finished model in {folder} (a config.json) to take the language tower from"
        )
    lender: Any = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    theirs = AutoProcessor.from_pretrained(folder, local_files_only=True).tokenizer.get_vocab()
    source = lender.model.language_model.state_dict()
    target = model.model.language_model.state_dict()
    taken = 0
    for name, weights in target.items():
        found = source.get(name)
        if name == "embed_tokens.weight" and found is not None:
            rows = [(i, theirs[token]) for token, i in words.get_vocab().items() if token in theirs]
            own, other = (torch.tensor(side) for side in zip(*rows, strict=True))
            weights[own] = found[other]
            taken += 1
        elif found is not None and found.shape == weights.shape:
            weights.copy_(found)
            taken += 1
    if not taken:
        raise TrainingError(f"the language tower in {folder} has no weight of a fitting shape")
