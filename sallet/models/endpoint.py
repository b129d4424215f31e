"""Where requests go, what they carry, and what no message may repeat. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from sallet import __version__
from sallet.core.errors import UsageError

_EXAMPLE = "such as http://127.0.0.1:8000/v1"
_SECRET_FROM = 6  # a shorter value ("none", "EMPTY") keeps no secret and is in too many words
_HINTS = {
    301: "a redirect, not followed: give the endpoint's final base URL",
    401: "check api_key, or OPENAI_API_KEY",
    404: "check the model's name and the base URL, which mostly ends in /v1",
    413: "the images are too large for it: shrink them",
}
_HINTS |= {302: _HINTS[301], 303: _HINTS[301], 307: _HINTS[301], 308: _HINTS[301]}
_HINTS |= {403: _HINTS[401]}


@dataclass(frozen=True, repr=False)
class Endpoint:
    """A base URL and the headers of every request; made by `of`, which checks both."""

    url: httpx.URL
    headers: Mapping[str, str]
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, base_url: str | None, key: str, more: Mapping[str, str]) -> Endpoint:
        """Without a key no authorization is sent. `more` are headers that go in last."""
        key = key.strip()
        kept = {one for one in (key, *more.values()) if len(one) >= _SECRET_FROM}
        return cls(_url(base_url), _headers(key, more), tuple(sorted(kept, key=len, reverse=True)))

    def to(self, path: str) -> httpx.URL:
        """The URL of `path` below the base, whose own query string is kept."""
        return self.url.copy_with(path=f"{self.url.path.rstrip('/')}/{path}")

    @property
    def is_here(self) -> bool:
        """Whether the host is this machine itself, which no proxy can reach."""
        host = self.url.host
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified

    def clean(self, text: str) -> str:
        """`text` with the key and every header's value blotted out."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        return shown(self.url)


def shown(url: httpx.URL) -> str:
    """The URL without user, password and query, any of which may hold a secret."""
    port = f":{url.port}" if url.port else ""
    scheme = f"{url.scheme}:" if url.scheme else ""
    slashes = "//" if url.scheme and url.host else ""
    return f"{scheme}{slashes}{url.host}{port}{url.path}"


def hint(status: int) -> str:
    """What to do about a status, in brackets; nothing where there is nothing to say."""
    return f" ({_HINTS[status]})" if status in _HINTS else ""


def _url(base_url: str | None) -> httpx.URL:
    if not base_url:
        raise UsageError(
            f"a remote model needs its endpoint: give base_url or set OPENAI_BASE_URL, {_EXAMPLE}"
        )
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as error:
        raise UsageError(f"the base URL cannot be read ({error}); give one {_EXAMPLE}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(
            f"the base URL should begin with http:// or https:// and a host; got {shown(url)!r}; "
            f"give one {_EXAMPLE}"
        )
    return url


def _headers(key: str, more: Mapping[str, str]) -> dict[str, str]:
    """A value that HTTP cannot carry is refused without showing it."""
    own = {"user-agent": f"sallet/{__version__}", "content-type": "application/json"}
    if key:
        own["authorization"] = f"Bearer {key}"
    together = {**own, **{name.lower(): value for name, value in more.items()}}
    for name, value in together.items():
        if not (value.isascii() and value.isprintable()):
            what = "the API key" if name == "authorization" else f"the header {name}"
            raise UsageError(f"{what} has characters that HTTP cannot carry; set it again")
    return together
