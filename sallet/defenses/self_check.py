"""Defences that let the model judge its own answer: a review, and ECSO (arXiv 2403.09572)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Message, Query, refusal
from sallet.core.sentences import reviewed
from sallet.defenses.replies import SAFE, aside, harmful, unclear
from sallet.defenses.wordings import digest, filled, wording


@dataclass(frozen=True)
class SelfReview:
    """Answers, and asks whether that answer is harmful; if it is, a refusal stands in its place,
    which says that this defence wrote it."""

    wording: str = "plain"
    name: ClassVar[str] = "self-review"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.digest

    @property
    def digest(self) -> str:
        """Of the question."""
        return digest(wording("check", self.wording, "request", "answer"))

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (answer,) = await via.ask(query)
        if await _harmful(self.name, self.wording, query, answer, via):
            return refusal(self.name)
        return answer


@dataclass(frozen=True)
class SentenceReview(SelfReview):
    """The same question about an answer as far as it has come, after each of its sentences: what
    stands before the first that makes it harmful is kept. So a gateway need not withhold it."""

    name: ClassVar[str] = "sentence-review"

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (answer,) = await via.ask(query)
        return await reviewed(self.name, lambda so_far: self.allows(query, so_far, via), answer)

    async def allows(self, query: Query, so_far: Answer, via: Via) -> bool:
        """Whether the model finds what is said so far fine."""
        return not await _harmful(self.name, self.wording, query, so_far, via)


@dataclass(frozen=True)
class ECSO:
    """Eyes closed, safety on: where the model finds its own answer harmful, it describes the
    picture with the request in mind, and answers again from its description alone."""

    wording: str = "plain"
    name: ClassVar[str] = "ecso"
    gradient: ClassVar[Gradient] = "full"
    stochastic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.digest

    @property
    def digest(self) -> str:
        """Of its three texts."""
        return digest(wording("check", self.wording, "request", "answer"), *self.texts)

    @property
    def texts(self) -> tuple[str, str]:
        """The question for a description, and what is asked of it."""
        return (
            wording("caption", self.wording, "request"),
            wording("retold", self.wording, "caption", "request"),
        )

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        (answer,) = await via.ask(query)
        if not await _harmful(self.name, self.wording, query, answer, via):
            return answer
        if not (query.images or query.sounds):
            return answer  # no eyes to close: the text alone was answered already
        describe, retold = self.texts
        request = query.user_text
        asked = aside(query, filled(describe, request=request), "caption")
        (caption,) = await via.ask(asked, role="caption")
        blind = filled(retold, caption=caption.text, request=request)
        (again,) = await via.ask(_blind(query, blind))
        return again


async def _harmful(defense: str, name: str, query: Query, answer: Answer, via: Via) -> bool:
    """Whether the model finds an answer harmful; a reply that does not say counts as no."""
    text = wording("check", name, "request", "answer")
    check = aside(query, filled(text, request=query.user_text, answer=answer.text), "check")
    (verdict,) = await via.ask(check, role="check", evading=SAFE)
    found = harmful(verdict.text)
    if found is None:
        unclear(defense, verdict.text)
    return bool(found)


def _blind(query: Query, text: str) -> Query:
    """The chat without pictures and sounds, its last user turn in these words."""
    at = max(i for i, turn in enumerate(query.messages) if turn.role == "user")
    turns = [
        replace(turn, parts=tuple(part for part in turn.parts if isinstance(part, str)))
        for turn in query.messages
    ]
    turns[at] = Message("user", (text,))
    return replace(query, messages=tuple(turns))
