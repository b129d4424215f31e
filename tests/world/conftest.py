"""What several of the world's tests share: many lessons, and a run of one step of each stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from sallet.world.lessons import lesson
from sallet.world.questions import Item
from sallet.world.train import train


@pytest.fixture(scope="session")
def taught() -> dict[str, list[Item]]:
    """The items of a few thousand lessons, by character."""
    return {
        character: [item for seed in range(5000) for item in lesson(seed, character)]
        for character in ("strong", "weak")
    }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that made a strong and a weak model in one step of each stage."""
    out = tmp_path_factory.mktemp("tiny")
    train(out, tower_steps=1, words_steps=1, language_steps=1, weak_steps=1, batch=2)
    return out
