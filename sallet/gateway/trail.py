"""What is noted of one request on its way: the record that proves what was looked at.

Parts are named by the digests of what came in and of what went out, never by their content.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from sallet.core.image import Image
from sallet.core.query import Query, Usage

Verdict: TypeAlias = Literal[
    "passed", "repaired", "changed", "answered", "refused", "rejected", "observed", "unguarded",
    "failed", "left",
]  # fmt: skip
VERDICTS: Final[dict[Verdict, str]] = {
    "passed": "looked at, and forwarded with the content that came",
    "repaired": "forwarded, with images that are not the ones that came",
    "changed": "forwarded, with other words than those that came",
    "answered": "a defence asked the model and chose or wrote the answer",
    "refused": "a defence refused",
    "rejected": "not taken: the request, the key, the path or an image was wrong, or too much",
    "observed": "the defence looked, and its word was not followed (mode or roll-out)",
    "unguarded": "the guard failed, and the policy says to forward all the same",
    "failed": "the guard, the record or the model server failed; there is no answer",
    "left": "the client left before its answer was whole",
}
AT: ContextVar[Trail] = ContextVar("trail")
_PROCESS: Final = os.getpid()


@dataclass(eq=False)
class Trail:
    """One request; `began` is on the monotonic clock."""

    path: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    client: str | None = None
    model: str | None = None
    upstream: str | None = None
    stack: str | None = None
    stack_digest: str | None = None
    policy: str = ""
    verdict: Verdict | None = None
    would: Verdict | None = None  # what an observed stack would have done
    refused_by: str | None = None
    code: str | None = None
    status: int | None = None
    stream: bool = False
    choices: int = 1
    parts_in: list[dict[str, Any]] = field(default_factory=list)
    parts_out: list[dict[str, Any]] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    stripped: tuple[str, ...] = ()
    neutralised: int = 0
    held: int = 0  # bytes of its body
    asks: int = 0
    usage: Usage = field(default_factory=Usage)
    error: str | None = None  # the kind of an inner error; never its words

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Times a stage; what is put into the mapping is noted with it."""
        noted: dict[str, Any] = {"stage": name}
        began = time.monotonic()
        try:
            yield noted
        except BaseException as error:
            noted["raised"] = getattr(error, "code", type(error).__name__)
            if (status := getattr(error, "answered", None)) is not None:
                noted["answered"] = status
            raise
        finally:
            noted["at"] = round((began - self.began) * 1e3, 3)
            noted["ms"] = round((time.monotonic() - began) * 1e3, 3)
            self.stages.append(noted)

    def used(self, usage: Usage) -> None:
        """Adds the tokens of one answer of the model."""
        self.asks += 1
        self.usage = Usage(
            self.usage.prompt + usage.prompt, self.usage.completion + usage.completion
        )

    def record(self, event: str = "request") -> dict[str, Any]:
        """The record, in the order that a reader wants."""
        return {
            "event": event,
            "id": self.id,
            "at": self.at,
            "process": _PROCESS,
            "path": self.path,
            "client": self.client,
            "model": self.model,
            "upstream": self.upstream,
            "policy": self.policy,
            "stack": self.stack,
            "stack_digest": self.stack_digest,
            "verdict": self.verdict,
            "would": self.would,
            "refused_by": self.refused_by,
            "code": self.code,
            "status": self.status,
            "stream": self.stream,
            "choices": self.choices,
            "in": self.parts_in,
            "out": self.parts_out,
            "stages": self.stages,
            "scores": self.scores,
            "stripped": list(self.stripped),
            "neutralised": self.neutralised,
            "asks": self.asks,
            "tokens": [self.usage.prompt, self.usage.completion],
            "error": self.error,
            "ms": round((time.monotonic() - self.began) * 1e3, 3),
        }


def told(text: str, kind: str = "text") -> dict[str, Any]:
    """What is noted of a text."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return {"kind": kind, "digest": digest, "size": len(text)}


def described(query: Query) -> list[dict[str, Any]]:
    """Each part of a query by its turn, its digest and its size."""
    found: list[dict[str, Any]] = []
    for turn, message in enumerate(query.messages):
        for part in message.parts:
            where = {"turn": turn, "role": message.role}
            if isinstance(part, str):
                found.append({**where, **told(part)})
            elif isinstance(part, Image):
                height, width = part.size
                size = [width, height]
                found.append(
                    {**where, "kind": "image", "digest": part.digest, "size": size, "mode": "RGB"}
                )
    return found


def compared(came: list[dict[str, Any]], went: list[dict[str, Any]]) -> Verdict:
    """What was done to the content: nothing, to images, or (what weighs less) only to words.

    An image that came in another encoding but with the same pixels is the same image; one whose
    file had more than pixels in it is repaired.
    """

    def of(kind: str, parts: list[dict[str, Any]]) -> list[str]:
        return [part["digest"] for part in parts if part["kind"] == kind]

    flagged = any(part.get("flags") for part in came)
    if flagged or of("image", came) != of("image", went):
        return "repaired"
    return "passed" if of("text", came) == of("text", went) else "changed"
