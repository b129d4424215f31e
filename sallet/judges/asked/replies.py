"""What a judge said, read strictly: one JSON object of the form that was asked for, or nothing.

A reply that says two different things, a value out of its range, a key twice, prose without a
verdict, a refusal to judge: each is unreadable, and says why. No verdict is ever guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sallet.judges.reading import read
from sallet.judges.text import spoken

Value: TypeAlias = str | int
Form: TypeAlias = Mapping[str, Sequence[Value]]
"""What each key may be."""
DEEPEST = 50
"""So many openings of objects are tried at most: a reply may be all braces."""


@dataclass(frozen=True)
class Read:
    """The values of a reply and what was thought before, or why there are none."""

    values: Mapping[str, Value] | None
    thoughts: str
    why: str = ""


def readable(reply: str, form: Form, finish: str = "stop", reasoning: str | None = None) -> Read:
    """What the reply says, if it says one thing in the form that was asked for."""
    said = spoken(reply)
    thoughts = "\n".join(part for part in (reasoning or "", _thought(reply, said.text)) if part)
    if said.thinking:
        return Read(None, thoughts, "the judge's reasoning was never ended")
    found = [one for text in _objects(said.text) if (one := _fits(text, form)) is not None]
    different = [one for i, one in enumerate(found) if one not in found[:i]]
    if len(different) == 1:
        return Read(different[0], thoughts or said.text.strip())
    if different:
        return Read(None, thoughts, f"the judge says {len(different)} different things")
    if not said.text.strip():
        return Read(None, thoughts, "the judge said nothing")
    if finish in ("length", "max_tokens"):
        return Read(None, thoughts, "the judge was cut off before its verdict")
    if read(said.text).refused:
        return Read(None, thoughts, "the judge declined to judge")
    return Read(None, thoughts, f"unreadable: {_excerpt(said.text)}")


def _fits(text: str, form: Form) -> dict[str, Value] | None:
    """The object, if it has the form's keys, each once and with a value that it may have."""
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not set(form) <= set(data):
        return None
    made = {key: _value(data.get(key), allowed) for key, allowed in form.items()}
    kept = {key: value for key, value in made.items() if value is not None}
    return kept if len(kept) == len(form) else None


def _value(value: Any, allowed: Sequence[Value]) -> Value | None:
    """The value as the form spells it: "Yes" is "yes", "4" is 4, true is 1 where 0 and 1 are."""
    if isinstance(value, bool):
        value = int(value) if set(allowed) == {0, 1} else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        bare = value.strip().lower()
        value = int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 4 else bare
    return value if isinstance(value, (str, int)) and value in allowed else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _objects(text: str) -> list[str]:
    """Every stretch from an opening brace to the closing one that belongs to it."""
    found: list[str] = []
    starts = [i for i, letter in enumerate(text) if letter == "{"]
    for start in starts[-DEEPEST:]:
        depth, quoted, escape = 0, False, False
        for end in range(start, len(text)):
            letter = text[end]
            if escape:
                escape = False
            elif letter == "\\" and quoted:
                escape = True
            elif letter == '"':
                quoted = not quoted
            elif not quoted:
                depth += (letter == "{") - (letter == "}")
                if depth == 0:
                    found.append(text[start : end + 1])
                    break
    return found


def _thought(whole: str, said: str) -> str:
    return whole.strip() if whole.strip() != said.strip() else ""


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
