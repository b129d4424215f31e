"""Which weights these are: a hub's commit, or a digest of a folder's weight files."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sallet.core.protocols import Model

WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.model")


def revision(model: Model) -> str:
    """What the model says of itself, its hub commit, its folder's digest, or `unknown`.

    An ensemble's is its members'.
    """
    if members := getattr(model, "members", ()):
        return "+".join(revision(member) for member in members)
    own = getattr(model, "revision", None)
    if isinstance(own, str) and own:
        return own
    config: Any = getattr(getattr(model, "model", None), "config", None)
    folder = str(getattr(config, "_name_or_path", "") or "")
    if folder and Path(folder).is_dir():
        return f"sha256:{folder_digest(Path(folder))}"
    return getattr(config, "_commit_hash", None) or "unknown"


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of weights and processor files, 16 digits of it.

    Hashing large weights takes minutes, so it is remembered for as long as no file changes.
    """
    files = sorted({path for pattern in WEIGHTS for path in folder.glob(pattern)})
    stamp = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    key = hashlib.sha256(json.dumps([str(folder.resolve()), stamp]).encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sallet"
    with suppress(OSError):
        return (cache / key).read_text(encoding="ascii")
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.name}\n".encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    digest = whole.hexdigest()[:16]
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        (cache / key).write_text(digest, encoding="ascii")
    return digest
