"""A policy is read again when it is whole, and not while it is being written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sallet.core.errors import UsageError
from sallet.gateway import policy
from sallet.gateway.policy import Policy
from sallet.gateway.reload import EVERY, watch
from tests.gateway.conftest import Guard
from tests.gateway.upstream import Model


def test_half_a_policy_is_not_taken(start: Callable[..., Guard], model: Model, tmp_path: Path):
    """Without its last lines it would be a policy without keys, or without a defence."""
    guard = start()
    file = tmp_path / "policy.yaml"
    whole = "stacks:\n  default:\n  - none\n  - jpeg\n  - safety-prompt\n"
    file.write_text("stacks: {default: [none]}\n")
    read: list[str] = []

    def reading() -> Policy:
        read.append(file.read_text())
        return policy.read(file, model.url)

    async def written() -> None:
        watching = asyncio.ensure_future(watch(guard.gate, file, reading))
        await asyncio.sleep(EVERY / 2)
        for at in range(len(whole) + 1):  # over more than three looks
            file.write_text(whole[:at])
            await asyncio.sleep(3.5 * EVERY / len(whole))
        assert read == []
        async with asyncio.timeout(10):
            while not read or "jpeg" not in str(guard.gate.rules.policy.stacks):
                await asyncio.sleep(0.05)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    asyncio.run(written())
    assert read == [whole]


def test_an_empty_file_is_no_policy(tmp_path: Path):
    for text in ("", "# nothing yet\n"):
        (tmp_path / "p.yaml").write_text(text)
        with pytest.raises(UsageError, match="is empty"):
            policy.read(tmp_path / "p.yaml", "http://127.0.0.1:9/v1")
