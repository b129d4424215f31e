"""What decides an answer beside the question: weights, settings, defence, code, libraries."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import sallet
from sallet import catalog
from sallet.core.compose import contents
from sallet.core.protocols import Defense, Model
from sallet.harness.parts import Parts
from sallet.runs.manifest import libraries
from sallet.runs.recipe import DefenseSpec, Spec, digest

ANSWERING = ("core", "defenses", "judges", "media", "models", "purifiers", "world")
"""The parts of the code that an answer passes through."""


def identity(model: Model, spec: Spec, revision: str, *, endpoints: bool = False) -> str | None:
    """The digest of a model as it would answer; None where nothing says which weights answer.

    An endpoint may change its model behind an unchanged name, and answers otherwise every time:
    it has an identity only if the caller takes its name for one.
    """
    local = getattr(model, "deterministic", True)
    if not (endpoints or local) or (local and revision == "unknown"):
        return None
    own: Any = model
    settings = {
        "revision": revision,
        "endpoint": "" if local else str(getattr(getattr(own, "endpoint", None), "url", "")),
        "dtype": str(getattr(own, "dtype", "")),
        "device": getattr(getattr(own, "device", None), "type", ""),
        "decoding": str(getattr(own, "decoding", "")),
        "quirks": [str(quirk) for quirk in getattr(own, "quirks", ())],
    }
    return digest([asdict(spec), settings, code(), plugins([spec]), libraries()])


def defense_digest(spec: DefenseSpec, parts: Parts) -> str:
    """Of a defence that a recipe names."""
    return defended(spec, parts.defense(spec))


def defended(spec: DefenseSpec, built: Defense) -> str:
    """The digest of a defence: names, parameters, and what each layer says of its own content (a
    prompt's words, weights).

    It stands in every row; the gateway looks its stacks up by it.
    """
    return digest([asdict(spec), contents(built), *plugins(spec.layers)])


def _installed(name: str) -> str | None:
    """Where a package's own model or defence is, if it is one."""
    kinds: tuple[catalog.Kind, ...] = ("model", "defense")
    found = [catalog.plugins(kind).get(name) for kind in kinds]
    return next((one.target for one in found if one is not None), None)


@cache
def code() -> str:
    """SHA-256 over the sources that an answer passes through."""
    root = Path(sallet.__file__).parent
    whole = hashlib.sha256()
    for folder in ANSWERING:
        for path in sorted((root / folder).rglob("*.py")):
            whole.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def plugins(specs: Sequence[Spec]) -> list[str]:
    """A digest of each plug-in's own source file; what it imports is not in it."""
    found: list[str] = []
    for spec in specs:
        target = spec.target or _installed(spec.name)
        if target:
            where = importlib.util.find_spec(target.partition(":")[0])
            source = Path(where.origin) if where and where.origin else None
            text = source.read_bytes() if source and source.is_file() else b""
            found.append(hashlib.sha256(text).hexdigest()[:16])
    return found
