"""Pictures of the world, as files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sallet import catalog


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i, sample in enumerate(catalog.build("benchmark", "world/where").samples(3, 9)):
        Image.fromarray(sample.query.images[0].pixels()).save(folder / f"p{i}.png")
    return folder
