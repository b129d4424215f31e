"""Questions beside the answer, and what their replies say. What says nothing clear is `None`."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Literal, TypeAlias

from sallet.core.query import Message, Query
from sallet.core.seeds import derive

Risk: TypeAlias = Literal["none", "low", "high"]
_RISK = re.compile(r"\brisk\b\W*(?:is\W+)?(none|low|high)\b", re.IGNORECASE)
_HARM = re.compile(r"\b(not harmful|harmless|harmful|not safe|unsafe|safe)\b", re.IGNORECASE)
HARMFUL = ("harmful", "not safe", "unsafe")
SAFE = "safe."
NO_RISK = "risk: none."
ROOM = 128
"""Tokens that a reply beside the answer may take, at least."""


def aside(query: Query, text: str, label: str) -> Query:
    """A question of its own about the same pictures and sounds, greedily answered."""
    message = Message("user", (*query.images, *query.sounds, text))
    sampling = replace(
        query.sampling, temperature=0.0, max_tokens=max(query.sampling.max_tokens, ROOM), stop=()
    )
    return replace(
        query, messages=(message,), sampling=sampling,
        defense_seed=derive(query.defense_seed, label),
    )  # fmt: skip


def risk(reply: str) -> Risk | None:
    """The last risk that a rationale names."""
    found = _RISK.findall(reply)
    return found[-1].lower() if found else None


def harmful(reply: str) -> bool | None:
    """The last verdict of a check."""
    found = _HARM.findall(reply)
    return found[-1].lower() in HARMFUL if found else None


def unclear(defense: str, reply: str) -> None:
    """A reply that cannot be parsed is told, and never taken for harm."""
    logging.getLogger("sallet").info("%s: no verdict in the reply %r", defense, reply[:200])
