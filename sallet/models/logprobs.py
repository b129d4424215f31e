"""What an endpoint's `logprobs` say of a text: how likely the model is to begin with it. No I/O.

A chat endpoint gives log-probabilities of the tokens that it chose, and of a few others at the
same places; it takes no text to be rated. So a text is followed along the answer for as long as
the answer says it. At the place where the answer leaves it, the text's own next token is among the
few listed, or it is less likely than all of them; what would have come after is not shown at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

UNSEEN = -10.0
"""What the whole text counts where nothing of it was seen; a share of it for the rest of it."""


def followed(reply: Mapping[str, Any] | None, text: str) -> float | None:
    """A score of `text` from a chat completion's log-probabilities; None where it has none.

    Exact (the log-probability of the whole text) while the answer itself says the text: all that
    an attack needs that wants it gone. Else that of its beginning, as far as it was seen, and
    `UNSEEN` for the share that was not. Where its next token is not listed, an upper bound takes
    its place: it is no likelier than the least likely that is, nor than all that is left.
    """
    places = _places(reply)
    if not places:
        return None
    rest, total = text.strip().encode(), 0.0
    whole = max(1, len(rest))
    began = False
    for place in places:
        if not rest:
            break
        listed = _listed(place, began)
        own = _piece(place, began)
        if not own and own is not None and not began:
            continue  # white space before the first word, that an answer loses
        if own is None or not listed:
            break
        began = True
        fitting = {piece: logp for piece, logp in listed.items() if _fits(piece, rest)}
        total += _together(fitting.values()) if fitting else _at_most(listed.values())
        if not _fits(own, rest):
            rest = rest[max(map(len, fitting), default=0) :]
            break
        rest = rest[len(own) :]
    return total + UNSEEN * len(rest) / whole if began else None


def _places(reply: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The tokens of the first choice, each with its log-probability and the others beside it."""
    choices = (reply or {}).get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    shown = choice.get("logprobs") if isinstance(choice, Mapping) else None
    content = shown.get("content") if isinstance(shown, Mapping) else None
    places = content if isinstance(content, list) else []
    return [place for place in places if isinstance(place, Mapping)]


def _listed(place: Mapping[str, Any], began: bool) -> dict[bytes, float]:
    """The log-probability of every piece that is known here; of equal pieces together."""
    others = place.get("top_logprobs")
    found: dict[bytes, dict[str, float]] = {}
    for one in [place, *(others if isinstance(others, list) else [])]:
        piece = _piece(one, began) if isinstance(one, Mapping) else None
        logp = one.get("logprob") if piece is not None else None
        if piece and isinstance(logp, int | float) and math.isfinite(logp):
            found.setdefault(piece, {})[str(one.get("token"))] = min(float(logp), 0.0)
    return {piece: _together(tokens.values()) for piece, tokens in found.items()}


def _piece(one: Mapping[str, Any], began: bool) -> bytes | None:
    """A token's bytes: a character may be spread over several tokens."""
    raw, token = one.get("bytes"), one.get("token")
    if isinstance(raw, list) and all(isinstance(b, int) and 0 <= b < 256 for b in raw):
        piece = bytes(raw)
    elif isinstance(token, str):
        piece = token.encode()
    else:
        return None
    return piece if began else piece.lstrip()


def _fits(piece: bytes, rest: bytes) -> bool:
    return bool(piece) and rest.startswith(piece)


def _together(logps: Any) -> float:
    return min(0.0, math.log(sum(math.exp(logp) for logp in logps) or 1e-300))


def _at_most(logps: Any) -> float:
    values = list(logps)
    left = 1.0 - sum(math.exp(logp) for logp in values)
    return min(*values, math.log(max(left, 1e-9)))
