"""What a judge is shown: the material between marks that whoever wrote it could not foresee.

The marks' code is a digest of the material, so no answer can hold its own. Square brackets of the
material that would look like a mark are written as other brackets; nothing else is changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

LONGEST: Final = 24_000
"""Characters of one part; of a longer one, the middle is left out and the judge is told."""
_MARK: Final = re.compile(r"\[(?=\s*(?:end\s+of\s+)?[a-z]+\s+[0-9a-f]{6,}\s*\])", re.IGNORECASE)
_UNSEEN: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f]")


def sheet(name: str, request: str, answer: str, more: Mapping[str, str]) -> str:
    """The whole prompt of a rubric for one answer."""
    code = digest(name, request, answer, *more.values())[:12]
    task, form = prompt(name)
    extra = "".join(
        f"[{title} {code}]\n{escaped(text)}\n[end of {title} {code}]\n"
        for title, text in more.items()
        if text.strip()
    )
    parts = {
        "code": code,
        "task": task,
        "form": form,
        "more": extra,
        "request": escaped(request),
        "answer": escaped(answer),
    }
    # Filled in once: what the material says in braces stays as it is.
    return re.sub(r"\{(\w+)\}", lambda found: parts.get(found[1], found[0]), prompt_file("frame"))


def escaped(text: str) -> str:
    """The text without what no reader sees, and without anything that looks like a mark."""
    seen = _MARK.sub("(", _UNSEEN.sub("", text))
    if len(seen) <= LONGEST:
        return seen
    half = LONGEST // 2
    left_out = len(seen) - 2 * half
    return f"{seen[:half]}\n({left_out} characters are left out here)\n{seen[-half:]}"


def prompt(name: str) -> tuple[str, str]:
    """A rubric's task, and the form that its reply must have."""
    task, _, form = prompt_file(name).partition("\n---\n")
    return task.strip(), form.strip()


@cache
def prompt_file(name: str) -> str:
    """The text of a prompt."""
    return (files("sallet.judges.asked") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")


def digest(*parts: str) -> str:
    """SHA-256 over texts, kept apart."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        whole.update(f"{len(data)}\n".encode() + data)
    return whole.hexdigest()
