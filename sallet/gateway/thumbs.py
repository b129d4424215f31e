"""Small pictures of stored requests, for the live page; what is not stored is not shown."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Final

from sallet.core.errors import MediaError
from sallet.gateway import chat
from sallet.gateway.admit import inline
from sallet.gateway.gate import Gate
from sallet.gateway.refusals import Refused
from sallet.media.encode import encode
from sallet.media.limits import Sees

SIDE: Final = 96


async def thumbnails(gate: Gate, ids: Sequence[str]) -> dict[str, str]:
    """Of each of these requests that is stored and has a picture, the first, as a data URL."""
    if gate.recent is None or not gate.audit.keeps:
        return {}
    known = gate.recent.pictures
    gate.recent.pictures = {
        id: known[id] if id in known else await _thumbnail(gate, id) for id in ids
    }
    return {id: url for id, url in gate.recent.pictures.items() if url is not None}


async def _thumbnail(gate: Gate, id: str) -> str | None:
    """A stored file is read like a stranger's."""
    try:
        stored = await asyncio.to_thread(gate.audit.kept, id)
        asked = chat.read(chat.loads(stored), gate.rules.policy.limits.chat)
        if not asked.images:
            return None
        data, claimed, _ = inline(asked.images[0].url, gate.workers.limits)
        job = gate.workers.submit(data, sees=Sees(side=SIDE), claimed=claimed)
        small = encode((await asyncio.wrap_future(job)).image)
    except (OSError, Refused, MediaError):
        return None
    return f"data:image/png;base64,{base64.b64encode(small).decode()}"
