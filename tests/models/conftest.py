from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

from sallet.models import tiny
from sallet.models.local import HFModel


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """transformers 5.17 gives NumPy a tensor in InternVL's processor, which warns."""
    here = Path(__file__).parent
    for item in (one for one in items if here in one.path.parents):
        item.add_marker(pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors: a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A family's tiny checkpoint on disk, written once."""

    @cache
    def made(family: str) -> Path:
        return tiny.save(family, tmp_path_factory.mktemp("tiny") / family)

    return made


@pytest.fixture(scope="session")
def load(folder: Callable[[str], Path]) -> Callable[[str], HFModel]:
    """A family's tiny model, loaded once; tests must leave it as it was."""

    @cache
    def loaded(family: str) -> HFModel:
        return HFModel.from_pretrained(folder(family))

    return loaded


@pytest.fixture
def model(request: pytest.FixtureRequest, load: Callable[[str], HFModel]) -> HFModel:
    return load(request.param)
