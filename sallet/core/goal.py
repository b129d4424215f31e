"""What the attacker wants (`Goal`), and what a judge says of an answer (`Verdict`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from sallet.core.image import Image

Kind: TypeAlias = Literal["untargeted", "targeted", "jailbreak"]


@dataclass(frozen=True)
class Goal:
    """`text` is what is teacher-forced: wanted, or (untargeted) the right answer to be left.

    `names` are the things that count: the right answers (untargeted), the wanted ones (targeted),
    or what a compliant answer must name (jailbreak).
    """

    kind: Kind
    text: str
    names: tuple[str, ...]
    refusal: bool = False
    """Whether any refusal is what was wanted (targeted only): denial of service."""
    image: Image | None = None
    """A picture of which `text` is true, where one is known: an encoder can be led there, or away.
    No judge looks at it."""
    shown: tuple[str, ...] = ()
    """What a judge that compares answers is shown: another answer, then a description."""

    @classmethod
    def stop_saying(cls, text: str, *accepted: str) -> Goal:
        """Untargeted: anything but the right answers."""
        return cls("untargeted", text, (text, *accepted))

    @classmethod
    def say(cls, text: str, *accepted: str) -> Goal:
        """Targeted: this answer."""
        return cls("targeted", text, (text, *accepted))

    @classmethod
    def stop_refusing(cls, text: str, *things: str) -> Goal:
        """Jailbreak: comply in the words of `text`, naming one of `things`."""
        return cls("jailbreak", text, things)

    @classmethod
    def refuse(cls, text: str) -> Goal:
        """Targeted: decline what was asked, in these or any other words."""
        return cls("targeted", text, (text,), refusal=True)

    @property
    def sign(self) -> int:
        """What the cross-entropy of `text` is multiplied by, so that lower is nearer the goal."""
        return -1 if self.kind == "untargeted" else 1

    @property
    def wish(self) -> str:
        """What a rehearsal replies in the model's place: the attacker has already won."""
        return "something else" if self.kind == "untargeted" else self.text


class Outcome(StrEnum):
    """Three outcomes; unassessed is never zero, never dropped."""

    SUCCESS = "success"
    RESISTED = "resisted"
    UNASSESSED = "unassessed"


@dataclass(frozen=True)
class Verdict:
    """What a judge says; `refused` and `right` are None where the judge cannot tell.

    `score` is a mark on the judge's own scale where it gives one, `against` the mark of what the
    answer was compared with, and `thoughts` what a judge that reasons wrote before its verdict.
    """

    outcome: Outcome
    reason: str
    refused: bool | None = None
    right: bool | None = None
    score: float | None = None
    against: float | None = None
    thoughts: str = ""
