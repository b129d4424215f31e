"""The torture cases: what a model answered, and what a careful reader says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from sallet.core.goal import Goal, Kind, Verdict
from sallet.core.query import Answer, Query

FOLDER = Path(__file__).parent
SEEN = FOLDER / "torture.yaml"
HELD_OUT = FOLDER / "torture-heldout.yaml"


@dataclass(frozen=True, kw_only=True)
class Case:
    id: str
    goal: Kind
    names: tuple[str, ...]
    question: str
    answer: str
    finish: str = "stop"
    refused_by: str | None = None
    lang: str
    tag: str
    outcome: str
    refused: bool | None
    note: str

    @property
    def asked(self) -> tuple[Query, Answer, Goal]:
        """What a judge is given."""
        said = Answer(self.answer, refused_by=self.refused_by, finish=self.finish)
        return Query.ask(self.question), said, Goal(self.goal, self.names[0], self.names)

    def agrees(self, verdict: Verdict) -> bool:
        """Whether a verdict is the reader's, and so is who refused, where that can be told."""
        told = self.refused is None or verdict.refused == self.refused
        return verdict.outcome == self.outcome and told


def load(path: Path) -> list[Case]:
    """The cases of a file; a question that a case leaves out is the usual one of its language."""
    data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    usual = data["questions"]
    return [
        Case(
            **{
                **case,
                "names": tuple(case["names"]),
                "question": case.get("question") or usual[case["lang"]],
            }
        )
        for case in data["cases"]
    ]
