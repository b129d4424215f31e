"""What goes in and what comes out: `Query` and `Answer`, frozen all the way down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from sallet.core.errors import InputError
from sallet.core.image import Image
from sallet.core.seeds import derive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Audio:
    """A waveform `[channels, samples]` in [-1, 1] and its rate in hertz."""

    wave: Tensor
    rate: int

    @property
    def digest(self) -> str:
        """SHA-256 over rate, shape and 16-bit samples."""
        wave = self.wave.detach().float().cpu().clamp(-1, 1).mul(32767).round().short().numpy()
        head = f"PCM16 {self.rate} {list(wave.shape)}\n".encode()
        return hashlib.sha256(head + wave.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Audio) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Part: TypeAlias = str | Image | Audio


@dataclass(frozen=True)
class Message:
    """One turn of the chat. `extra` is sent along as it is, such as tool calls and their ids."""

    role: Role
    parts: tuple[Part, ...]
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def text(self) -> str:
        """The text parts, joined by a blank."""
        return " ".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True)
class Sampling:
    """How the model decodes. Temperature 0 is greedy; `seed` is the client's, not a defence's."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seeded:
    """An item of pooled work with the seed that is its own, whatever else is in the batch."""

    image: Image
    seed: int


@dataclass(frozen=True)
class Query:
    """A frozen chat. `defense_seed` drives every random stage of a defence, never of the model."""

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    defense_seed: int = 0

    @classmethod
    def ask(cls, *parts: Part, system: str | None = None, **sampling: object) -> Query:
        """One user turn of `parts`, with an optional system message."""
        head = (Message("system", (system,)),) if system else ()
        settings = replace(Sampling(), **sampling)  # pyright: ignore[reportArgumentType]
        return cls((*head, Message("user", parts)), settings)

    @property
    def images(self) -> tuple[Image, ...]:
        """Every image of every turn, in order."""
        return tuple(p for m in self.messages for p in m.parts if isinstance(p, Image))

    @property
    def sounds(self) -> tuple[Audio, ...]:
        """Every sound of every turn, in order."""
        return tuple(p for m in self.messages for p in m.parts if isinstance(p, Audio))

    @property
    def user_text(self) -> str:
        """The text of the last user turn."""
        return self.messages[self._last_user()].text

    @property
    def system(self) -> str | None:
        """The text of the system message, if there is one."""
        first = self.messages[0]
        return first.text if first.role == "system" else None

    def with_images(self, images: Sequence[Image]) -> Query:
        """The same chat with its images replaced, in order."""
        if len(images) != len(self.images):
            raise InputError(
                f"this query has {len(self.images)} images, {len(images)} were given; "
                "give one for each, in order"
            )
        supply = iter(images)
        return replace(
            self,
            messages=tuple(
                replace(
                    m, parts=tuple(next(supply) if isinstance(p, Image) else p for p in m.parts)
                )
                for m in self.messages
            ),
        )

    def map_images(self, change: Callable[[Image], Image]) -> Query:
        """The same chat with every image changed."""
        return self.with_images([change(image) for image in self.images])

    def with_sounds(self, sounds: Sequence[Audio]) -> Query:
        """The same chat with its sounds replaced, in order."""
        supply = iter(sounds)
        turns = (
            replace(m, parts=tuple(next(supply) if isinstance(p, Audio) else p for p in m.parts))
            for m in self.messages
        )
        return replace(self, messages=tuple(turns))

    def seeded_images(self) -> tuple[Seeded, ...]:
        """Every image with a seed of its own, derived from this query's defence seed."""
        return tuple(
            Seeded(image, derive(self.defense_seed, "image", i))
            for i, image in enumerate(self.images)
        )

    def with_system(self, text: str) -> Query:
        """Adds `text` to the system message (after what is there), or makes one."""
        if self.system is not None:
            text = f"{self.system}\n\n{text}"
            return replace(
                self, messages=(replace(self.messages[0], parts=(text,)), *self.messages[1:])
            )
        return replace(self, messages=(Message("system", (text,)), *self.messages))

    def with_text(self, *, before: str = "", after: str = "") -> Query:
        """Puts text around the words of the last user turn; its images stay where they are."""
        at = self._last_user()
        parts = list(self.messages[at].parts)
        texts = [i for i, part in enumerate(parts) if isinstance(part, str)]
        if not texts:
            parts.append(" ".join(t for t in (before, after) if t))
        else:
            if before:
                parts[texts[0]] = f"{before} {parts[texts[0]]}"
            if after:
                parts[texts[-1]] = f"{parts[texts[-1]]} {after}"
        message = replace(self.messages[at], parts=tuple(parts))
        return replace(self, messages=(*self.messages[:at], message, *self.messages[at + 1 :]))

    def with_turns(self, *turns: Message) -> Query:
        """The same chat with more turns at its end."""
        return replace(self, messages=(*self.messages, *turns))

    def with_defense_seed(self, seed: int) -> Query:
        """The same chat with other defence randomness."""
        return replace(self, defense_seed=seed)

    def fork(self, index: int) -> Query:
        """The same chat with randomness of its own: the `index`-th copy of a smoothing defence."""
        seed = self.sampling.seed
        sampling = (
            self.sampling
            if seed is None
            else replace(self.sampling, seed=derive(seed, "fork", index))
        )
        return replace(
            self, sampling=sampling, defense_seed=derive(self.defense_seed, "fork", index)
        )

    @property
    def digest(self) -> str:
        """SHA-256 over turns, media digests and settings; not over the defence seed."""
        turns = [
            [m.role, [p if isinstance(p, str) else {"media": p.digest} for p in m.parts]]
            + ([dict(m.extra)] if m.extra else [])
            for m in self.messages
        ]
        s = self.sampling
        settings = [s.max_tokens, s.temperature, s.top_p, s.seed, list(s.stop)]
        text = json.dumps([turns, settings, dict(self.extra)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _last_user(self) -> int:
        for i in range(len(self.messages) - 1, -1, -1):
            if self.messages[i].role == "user":
                return i
        raise InputError("a query needs at least one user turn; this one has none")


@dataclass(frozen=True)
class Usage:
    """Tokens in and out, as the model counts them."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Answer:
    """What came back. `refused_by` is who wrote a refusal, or None: nobody is known to have."""

    text: str
    refused_by: str | None = None
    finish: str = "stop"
    usage: Usage = Usage()
    reasoning: str | None = None
    tool_calls: tuple[Mapping[str, object], ...] = ()
    raw: Mapping[str, object] | None = None
    copies: tuple[Answer, ...] = ()

    @property
    def cut_short(self) -> bool:
        """Whether a defence ended it after a part that it let through: the model's own words."""
        by_defense = (self.refused_by or "").startswith("defense:")
        return by_defense and self.finish == "content_filter"


@dataclass(frozen=True)
class Failure:
    """In place of an answer: this one could not be had, and why. Never a verdict."""

    error: Exception


REFUSAL = "I can't help with that."


def refusal(by: str) -> Answer:
    """A refusal that a defence wrote; it says so, and is never counted as the model's."""
    return Answer(REFUSAL, refused_by=f"defense:{by}")
