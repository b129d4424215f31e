"""What a gateway does for whom: one frozen `Policy`, read from YAML and checked as a whole."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import httpx
import yaml

from sallet.core.errors import UnknownName, UsageError
from sallet.gateway.sections import (
    Auditing,
    Batching,
    Console,
    Images,
    Keys,
    Litellm,
    Rates,
    Sizing,
    above,
)
from sallet.gateway.strict import build
from sallet.media.limits import Sees


@dataclass(frozen=True)
class Upstream:
    """A model server; `key_env` names the variable with its key, `side` and `pixels` what it sees.

    `special_tokens` is a tokenizer's folder or file; without it the common ones are broken.
    """

    url: str
    key_env: str | None = None
    models: tuple[str, ...] = ("*",)
    timeout: float = 120
    connect: float = 5
    side: int | None = None
    pixels: int | None = None
    special_tokens: str | None = None
    vision: bool = True
    probe: bool = True

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise UsageError("url should be such as http://127.0.0.1:8000/v1")
        above("timeout", self.timeout)
        above("connect", self.connect)
        _ = self.sees

    @property
    def sees(self) -> Sees | None:
        """What its model sees of an image, if that is known."""
        return None if self.side is None and self.pixels is None else Sees(self.side, self.pixels)


@dataclass(frozen=True)
class Rule:
    """What holds for some models or for one key; what is left out is as it is without the rule."""

    stack: str | None = None
    upstream: str | None = None
    models: tuple[str, ...] | None = None
    requests_per_minute: float | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        above("requests_per_minute", self.requests_per_minute)
        above("burst", self.burst)


@dataclass(frozen=True)
class Policy:
    """The whole of it; `source` is the digest of the file that it came from."""

    upstreams: Mapping[str, Upstream]
    stacks: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: {"default": ("none",)})
    stack: str = "default"
    models: Mapping[str, Rule] = field(default_factory=dict)
    clients: Mapping[str, Rule] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    open: bool = False
    mode: Literal["enforce", "observe"] = "enforce"
    rollout: float = 100
    on_error: Literal["refuse", "pass"] = "refuse"
    limits: Sizing = field(default_factory=Sizing)
    images: Images = field(default_factory=Images)
    batching: Batching = field(default_factory=Batching)
    audit: Auditing = field(default_factory=Auditing)
    rates: Rates = field(default_factory=Rates)
    litellm: Litellm = field(default_factory=Litellm)
    console: Console = field(default_factory=Console)
    special_tokens: bool = True
    source: str = ""

    def __post_init__(self) -> None:
        if not self.upstreams:
            raise UsageError("upstreams needs at least one, such as main: {url: http://...}")
        if not 0 <= self.rollout <= 100:
            raise UsageError(f"rollout is a percentage from 0 to 100; it is {self.rollout}")
        for name in (self.stack, *(r.stack for r in self.rules if r.stack)):
            if name not in self.stacks:
                raise UnknownName("stack", name, self.stacks)
        if self.images.as_sent and any(list(one) != ["none"] for one in self.stacks.values()):
            raise UsageError(
                "images.as_sent goes only with stacks of [none]: no defence could look"
            )
        for pattern, rule in self.models.items():
            if rule != Rule(rule.stack, rule.upstream):
                raise UsageError(
                    f"models.{pattern} takes stack and upstream; others are a client's"
                )
        for rule in self.rules:
            if rule.upstream is not None and rule.upstream not in self.upstreams:
                raise UnknownName("upstream", rule.upstream, self.upstreams)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule there is."""
        return (*self.models.values(), *self.clients.values())

    @property
    def keyed(self) -> bool:
        """Whether a key is asked for."""
        return self.keys != Keys()

    @property
    def rated(self) -> bool:
        """Whether anybody's requests are counted."""
        counts = (self.rates, *self.clients.values())
        return any(one.requests_per_minute is not None for one in counts)

    @property
    def warnings(self) -> list[str]:
        """What an operator should hear before anybody is served."""
        said: list[str] = []
        if self.on_error == "pass":
            said.append("on_error is pass: what the guard fails to look at is forwarded unguarded")
        if self.mode == "observe":
            said.append("mode is observe: defences look, and change and refuse nothing")
        if self.rollout < 100:
            said.append(f"rollout is {self.rollout:g}: the other requests are only observed")
        if self.images.as_sent:
            said.append(
                "images.as_sent is on: images are forwarded as they came, looked at by none"
            )
        if self.audit.file is None and self.audit.sqlite is None:
            said.append("no audit is named: nothing is recorded of any request")
        if self.audit.content is not None:
            said.append(f"audit.content stores what users send in {self.audit.content}")
        if not self.special_tokens:
            said.append("special_tokens is off: a user may write the model's own marks")
        return said

    def route(self, model: str, client: str | None) -> Route | None:
        """Who serves this model to this client, behind which stack; None: nobody."""
        mine = self.clients.get(client, Rule()) if client is not None else Rule()
        if mine.models is not None and not _listed(model, mine.models):
            return None
        rule = next((r for p, r in self.models.items() if _listed(model, (p,))), Rule())
        wanted = rule.upstream or mine.upstream
        for name, upstream in self.upstreams.items():
            if wanted in (None, name) and _listed(model, upstream.models):
                return Route(name, upstream, mine.stack or rule.stack or self.stack)
        return None


@dataclass(frozen=True)
class Route:
    """An upstream by its name, and the name of the stack in front of it."""

    name: str
    upstream: Upstream
    stack: str


def read(path: Path, upstream: str | None = None) -> Policy:
    """The policy in a YAML file; `upstream` is a URL in place of its first upstream's."""
    try:
        data = path.read_bytes()
        given = yaml.safe_load(data.decode())
    except OSError as error:
        raise UsageError(f"cannot read the policy {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if given is None:
        raise UsageError(f"the policy {path} is empty")
    return of(given, upstream, source=data, where=path.name)


def of(
    given: Any, upstream: str | None = None, *, source: bytes = b"", where: str = "the policy"
) -> Policy:
    """The policy that a mapping means."""
    if isinstance(given, dict) and upstream is not None:
        given = {**given, "upstreams": _led(given.get("upstreams") or {"main": {}}, upstream)}
    if isinstance(given, dict) and "source" in given:
        raise UnknownName(f"key of {where}:", "source", [f.name for f in fields(Policy)][:-1])
    digest = hashlib.sha256(source + (upstream or "").encode() + repr(given).encode()).hexdigest()
    return replace(build(Policy, given, where), source=digest[:16])


def _led(upstreams: Any, url: str) -> Any:
    """The upstreams with this URL for the first; what is no mapping stays, to be refused."""
    first = next(iter(upstreams)) if isinstance(upstreams, dict) else None
    if first is None or not isinstance(upstreams[first] or {}, dict):
        return upstreams
    return {**upstreams, first: {**(upstreams[first] or {}), "url": url}}


def _listed(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
