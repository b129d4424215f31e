"""Template jailbreaks: a request inside a frame that others have found to move refusals."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import yaml

from sallet.attacks.asked import with_words
from sallet.attacks.target import Case, Target
from sallet.core.errors import RecipeError, UnknownName
from sallet.core.goal import Goal
from sallet.core.protocols import Enough, Going, Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query

FILE = Path(__file__).with_name("templates.yaml")


@cache
def templates() -> dict[str, str]:
    """Every shape by its name."""
    listed = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: entry["text"] for name, entry in listed.items()}


def fill(template: str, query: Query, goal: Goal) -> Query:
    """The query with its words inside the template; its pictures stay where they are."""
    request = query.user_text
    text = template
    for key, value in {
        "encoded": base64.b64encode(request.encode()).decode(),
        "start": goal.wish,
        "request": request,  # last: what was asked is never read as a template
    }.items():
        text = text.replace(f"{{{key}}}", value)
    return with_words(query, text)


@dataclass(frozen=True, kw_only=True)
class Template:
    """Tries the templates in turn and asks the model about each; the first that works is kept.

    `which` names templates, separated by commas, in the order in which they are tried (`all`: the
    file's). If none works, the one of lowest loss is kept where losses can be seen, else the first.
    It needs nothing but answers. Where a defence is random, a template works if it does so for
    `confirm` fresh seeds.
    """

    name: ClassVar[str] = "template"
    which: str = "all"
    confirm: int = 3
    batch: int = 64

    def __post_init__(self) -> None:
        for key in ("confirm", "batch"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        _ = self.chosen

    @property
    def chosen(self) -> dict[str, str]:
        """The templates to try, in order."""
        known = templates()
        if self.which == "all":
            return known
        names = [name.strip() for name in self.which.split(",")]
        for name in names:
            if name not in known:
                raise UnknownName("template", name, known)
        return {name: known[name] for name in names}

    def __call__(
        self,
        model: Model,
        queries: Sequence[Query],
        goals: Sequence[Goal],
        *,
        judge: Judge,
        seed: int,
        progress: Progress = silent,
    ) -> list[Hostile]:
        """One hostile query for each query, in order."""
        target = Target(model, judge, confirm=self.confirm, batch=self.batch)
        cases = [target.case(q, g, seed) for q, g in zip(queries, goals, strict=True)]
        with suppress(Enough):
            self._run(target, cases, progress)
        return [case.made() for case in cases]

    def _run(self, target: Target, cases: list[Case], progress: Progress) -> None:
        sees = target.seen is not None
        for case, (loss, _) in zip(cases, target.look([(c, c.query) for c in cases]), strict=True):
            case.start = loss if sees else None
        for done, template in enumerate(self.chosen.values(), start=1):
            going = [case for case in cases if not target.fell(case)]
            tried = [(case, fill(template, case.query, case.goal)) for case in going]
            losses = [loss for loss, _ in target.look(tried)]
            for case, loss in zip(going, losses, strict=True):
                case.steps += 1
                case.curve += [loss] if sees else []
            pairs = zip(tried, losses, strict=True)
            target.ask([(case, query, loss) for (case, query), loss in pairs])
            total, fell = len(self.chosen) * len(cases), sum(map(target.fell, cases))
            progress(Going(done * len(cases), total, fell, len(cases)))
