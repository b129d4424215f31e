"""API keys: kept as digests, compared in constant time, and never shown again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sallet.core.errors import UsageError
from sallet.gateway.sections import Keys

_ID: Final = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LEAST: Final = 16  # characters; shorter ones can be guessed


@dataclass(frozen=True, repr=False)
class Keyring:
    """Digests of keys and whose they are; with none, nobody is asked."""

    entries: tuple[tuple[str, bytes], ...] = ()

    def owner(self, authorization: str | None, x_api_key: str | None = None) -> str | None:
        """The id of the key in these headers. Every entry is compared, whichever fits."""
        given = x_api_key or ""
        if authorization is not None and authorization[:7].lower() == "bearer ":
            given = authorization[7:].strip()
        elif authorization is not None and authorization[:6].lower() == "basic ":
            given = _password(authorization[6:].strip())
        digest = hashlib.sha256(given.encode(errors="surrogatepass")).digest()
        found: str | None = None
        for name, known in self.entries:
            if hmac.compare_digest(known, digest):
                found = name
        return found if given else None

    def __repr__(self) -> str:
        return f"Keyring({len(self.entries)} keys)"


def load(keys: Keys) -> Keyring:
    """The keys of the file and of the variable; a file that anybody can read is refused."""
    entries: dict[str, bytes] = {}
    if keys.file is not None:
        for name, value in _of_file(Path(keys.file)):
            _add(entries, name, value)
    if keys.env is not None:
        text = os.environ.get(keys.env, "")
        if not text:
            raise UsageError(f"keys.env names {keys.env}, which is not set")
        for one in text.split(","):
            name, _, key = one.strip().partition("=")
            if len(key) < _LEAST:
                raise UsageError(f"a key in {keys.env} has fewer than {_LEAST} characters")
            _add(entries, name, hashlib.sha256(key.encode()).digest())
    if keys != Keys() and not entries:
        raise UsageError("there is not one key; make one with `sallet policy key NAME`")
    return Keyring(tuple(entries.items()))


def new(name: str) -> tuple[str, str]:
    """A fresh key, and the line of the key file that knows it."""
    if not _ID.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a key; use letters, digits and . _ @ -")
    key = f"sallet-{secrets.token_urlsafe(32)}"
    return key, f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


def ids(file: Path) -> frozenset[str]:
    """Whose keys a key file knows; nobody's where there is none yet."""
    return frozenset(name for name, _ in _of_file(file)) if file.exists() else frozenset()


def of_env(name: str, what: str) -> Keyring:
    """The one key in a variable."""
    key = os.environ.get(name, "")
    if len(key) < _LEAST:
        raise UsageError(
            f"{what} names {name}, which is not set or has fewer than {_LEAST} characters"
        )
    return Keyring((("admin", hashlib.sha256(key.encode()).digest()),))


def _password(text: str) -> str:
    """The password of a browser's login; its user name may be anything."""
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _of_file(path: Path) -> list[tuple[str, bytes]]:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o007:
            raise UsageError(f"the key file {path} is open to everybody; chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the key file {path}: {error}") from None
    found: list[tuple[str, bytes]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, digest = line.strip().partition(":")
        if not _DIGEST.fullmatch(digest):
            raise UsageError(
                f"{path}, line {number} should be id:sha256 of the key; make one with "
                "`sallet policy key NAME`"
            )
        found.append((name, bytes.fromhex(digest)))
    return found


def _add(entries: dict[str, bytes], name: str, digest: bytes) -> None:
    if not _ID.fullmatch(name):
        raise UsageError(
            "a key has no id, or one with other characters than letters, digits, . _ @ -"
        )
    if name in entries:
        raise UsageError(f"the key id {name} is there twice")
    entries[name] = digest
