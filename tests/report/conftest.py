import json
from pathlib import Path

import pytest

from sallet.report import page
from tests.report import made


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.folder(tmp_path_factory.mktemp("report") / "run")
    page.write(folder)
    return folder


@pytest.fixture(scope="session")
def html(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text(encoding="utf-8"))
