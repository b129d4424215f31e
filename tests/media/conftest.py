"""One worker for all tests, with little memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sallet.media.limits import MIB, Limits
from sallet.media.worker import Workers

LIMITS = Limits(memory=256 * MIB)


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(limits=LIMITS) as started:
        yield started
