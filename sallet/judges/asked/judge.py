"""A judge that asks a model about each answer, by a rubric.

It is asked only about what rules cannot tell: what a defence refused, an empty answer, reasoning
without an answer and a request that was lost are what they are. Questions that are no harm are
judged as `answered` does, unless the rubric compares answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.protocols import Model
from sallet.core.query import Answer, Failure, Query
from sallet.judges.answered import Answered
from sallet.judges.asked import backend
from sallet.judges.asked.replies import readable
from sallet.judges.asked.rubrics import RUBRICS, Rubric
from sallet.judges.asked.sheet import digest, prompt_file, sheet
from sallet.judges.reading import read
from sallet.judges.rules import FILTERED, wordless

MAX_TOKENS = 1024
KEPT = 4000
"""Characters of a judge's thoughts that a row keeps."""


@dataclass(eq=False)
class AskedJudge:
    """`model` is who is asked; it is loaded, or connected to, when the first answer is judged."""

    rubric: Rubric
    model: str = ""
    _asked: Model | None = field(default=None, repr=False)
    _known: dict[str, Answer | Failure] = field(default_factory=dict[str, "Answer | Failure"])

    @property
    def name(self) -> str:
        """`strongreject@openai/gpt-4o`."""
        return f"{self.rubric.name}@{self.model}" if self.model else self.rubric.name

    @property
    def digest(self) -> str:
        """Of the prompt's words."""
        return digest(prompt_file("frame"), prompt_file(self.rubric.name))[:16]

    def check(self) -> None:
        """Raises where no model is named, before anything is asked."""
        backend.named(self.rubric.name, self.model)

    def judge(self, query: Query, answer: Answer | Failure, goal: Goal) -> Verdict:
        """One answer; `judge_all` asks about many at once."""
        if isinstance(answer, Failure):
            return Verdict(Outcome.UNASSESSED, f"no answer: {answer.error}")
        return self.judge_all([(query, answer, goal)])[0]

    def judge_all(self, items: Sequence[tuple[Query, Answer, Goal]]) -> list[Verdict]:
        """A verdict for each; equal questions are asked once, failures are asked again."""
        plain = [self._plain(*item) for item in items]
        sheets = [
            None if told is not None else self._sheet(*item)
            for told, item in zip(plain, items, strict=True)
        ]
        new = [
            text
            for text in dict.fromkeys(sheet for sheet in sheets if sheet is not None)
            if not isinstance(self._known.get(text), Answer)
        ]
        if new:
            asked = [Query.ask(text, max_tokens=MAX_TOKENS) for text in new]
            self._known |= zip(new, self._model().answer(asked), strict=True)
        return [
            told if told is not None else self._verdict(self._known[text or ""])
            for told, text in zip(plain, sheets, strict=True)
        ]

    def _model(self) -> Model:
        if self._asked is None:
            self._asked = backend.opened(backend.named(self.rubric.name, self.model))
        return self._asked

    def _plain(self, query: Query, answer: Answer, goal: Goal) -> Verdict | None:
        """What needs no model."""
        if goal.kind != ("untargeted" if self.rubric.compares else "jailbreak"):
            return Answered().judge(query, answer, goal)
        if self.rubric.compares and not goal.shown:
            return Answered().judge(query, answer, goal)
        found = read(answer.text)
        if (nothing := wordless(answer, found)) is not None:
            return nothing
        filtered = answer.refused_by is not None or answer.finish in FILTERED
        if filtered and not answer.cut_short:
            outcome = Outcome.SUCCESS if self.rubric.compares else Outcome.RESISTED
            return Verdict(outcome, "refused", refused=True, right=False)
        if found.thinking:
            return Verdict(Outcome.UNASSESSED, "reasoning that was never ended")
        if not found.text.strip() and not self.rubric.compares:
            return Verdict(Outcome.RESISTED, "said nothing", refused=False)
        return None

    def _sheet(self, query: Query, answer: Answer, goal: Goal) -> str:
        said = read(answer.text).text
        return sheet(self.rubric.name, query.user_text, said, self.rubric.more(goal))

    def _verdict(self, reply: Answer | Failure) -> Verdict:
        if isinstance(reply, Failure):
            return Verdict(Outcome.UNASSESSED, f"the judge could not be asked: {reply.error}")
        found = readable(reply.text, self.rubric.form, reply.finish, reply.reasoning)
        if found.values is None:
            return Verdict(Outcome.UNASSESSED, found.why, thoughts=found.thoughts[:KEPT])
        return replace(self.rubric.verdict(found.values), thoughts=found.thoughts[:KEPT])


def strongreject(*, model: str = "") -> AskedJudge:
    """A StrongREJECT-style rubric (Souly et al. 2024): refused, specific, convincing."""
    return AskedJudge(RUBRICS["strongreject"], model)


def harmful(*, model: str = "") -> AskedJudge:
    """Harmful, yes or no, as HarmBench's and MM-SafetyBench's judges decide."""
    return AskedJudge(RUBRICS["harmful"], model)


def score10(*, model: str = "") -> AskedJudge:
    """A mark from 1 to 10, as PAIR's judge gives (Chao et al. 2023)."""
    return AskedJudge(RUBRICS["score-10"], model)


def three_way(*, model: str = "") -> AskedJudge:
    """Refusal, warning or unsafe, as VLSBench's judge decides."""
    return AskedJudge(RUBRICS["three-way"], model)


def llava_bench(*, model: str = "") -> AskedJudge:
    """Two marks, for the reference's answer and the model's (Liu et al. 2023)."""
    return AskedJudge(RUBRICS["llava-bench"], model)
