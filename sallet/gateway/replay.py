"""A stored request through today's policy: what would be made of it now."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Any

from sallet.core.errors import StoreError, UsageError
from sallet.gateway import chat
from sallet.gateway.exchange import Exchange
from sallet.gateway.gate import Gate
from sallet.gateway.policy import Policy
from sallet.gateway.refusals import Refused
from sallet.gateway.sections import Auditing
from sallet.gateway.trail import Trail


def replayed(content: Path, id: str, policy: Policy) -> dict[str, Any]:
    """The record that the request would have now; it is written nowhere, and nobody is answered.

    A defence that asks the model asks the policy's model server.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", id):
        raise UsageError(f"{id!r} is no request id; see `sallet audit query`")
    try:
        data = (content / f"{id}.json").read_bytes()
    except OSError as error:
        raise StoreError(f"{content} has no content of {id}: {error.strerror}") from None
    return asyncio.run(_replayed(data, id, dataclasses.replace(policy, audit=Auditing())))


async def _replayed(data: bytes, id: str, policy: Policy) -> dict[str, Any]:
    gate = Gate(policy)
    trail = Trail("replay", id=id, policy=policy.source)
    try:
        asked = chat.read(chat.loads(data), policy.limits.chat)
        exchange = Exchange(gate, gate.rules, asked, trail, None)
        await exchange.noted(await exchange.ahead())
    except Refused as refused:
        trail.code, trail.status, trail.verdict = refused.code, refused.status, "rejected"
    finally:
        await gate.close()
    return trail.record("replay")
