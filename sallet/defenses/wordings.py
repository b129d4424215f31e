"""The texts that defences say, in plain files: `prompts/<role>/<wording>.txt`, or a file of yours.

`plain` is said in words that the picture world's models know, in wordings that they were not
trained on; `general` is for any other model. What was said is known by its digest in every row.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from sallet.core.errors import RecipeError, UnknownName

SLOTS = re.compile(r"\{(\w+)\}")


@lru_cache
def wording(role: str, name: str, *slots: str) -> str:
    """The text, with a `{slot}` for each of these and for nothing else."""
    text = _read(role, name)
    if not text:
        raise RecipeError(f"the {role} wording {name!r} is empty; write one or name another")
    found = {*SLOTS.findall(text)}
    if found != {*slots}:
        wanted = ", ".join(f"{{{slot}}}" for slot in slots) or "none"
        raise RecipeError(
            f"the {role} wording {name!r} needs the slots {wanted}; it has "
            f"{', '.join(f'{{{slot}}}' for slot in sorted(found)) or 'none'}"
        )
    return text


def filled(text: str, **values: str) -> str:
    """The text with its slots filled; what fills them may hold braces of its own."""
    return SLOTS.sub(lambda match: values[match[1]], text)


def digest(*texts: str) -> str:
    """SHA-256 of what is said."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()


def _read(role: str, name: str) -> str:
    if name.endswith(".txt"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise RecipeError(f"there is no prompt file {path}; give a .txt file or a shipped name")
        return path.read_text(encoding="utf-8").strip()
    folder = files("sallet.defenses").joinpath("prompts")
    if role != "safety":
        folder = folder.joinpath(role)
    shipped = {f.name.removesuffix(".txt"): f for f in folder.iterdir() if f.name.endswith(".txt")}
    if name not in shipped:
        raise UnknownName(f"{role} wording", name, shipped)
    return shipped[name].read_text(encoding="utf-8").strip()
