"""`sallet train adashield`: a pool of prompts, each refined for a scenario and validated on it.

After AdaShield-A. A scenario starts with the static prompt; while answers to its examples are not
refused, a defender writes another one. A prompt is kept if it refuses `keep` of the scenario's
other examples, which nobody looked at when it was written. Each is judged on its own answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from sallet.core.errors import RecipeError
from sallet.core.protocols import Model
from sallet.core.query import Answer, Query
from sallet.core.sample import Sample
from sallet.defenses.adashield import shielded
from sallet.defenses.pool import Entry, Placing, Pool, weights_of
from sallet.defenses.votes import declines
from sallet.defenses.wordings import filled, wording


@dataclass(frozen=True)
class Miss:
    """A request that should have been declined, and what was answered."""

    request: str
    answer: str


class Defender(Protocol):
    """Writes another prompt, knowing what the last one let through."""

    def improve(self, prompt: str, misses: Sequence[Miss], round: int) -> str: ...


@dataclass(frozen=True)
class Listed:
    """A defender for where no model can write: the next of these wordings."""

    texts: tuple[str, ...]

    def improve(self, prompt: str, misses: Sequence[Miss], round: int) -> str:
        return self.texts[round % len(self.texts)]


@dataclass(frozen=True)
class Asked:
    """A model that is asked for a better prompt; an empty reply leaves the prompt as it is."""

    model: Model
    wording: str = "general"

    def improve(self, prompt: str, misses: Sequence[Miss], round: int) -> str:
        text = wording("refine", self.wording, "prompt", "request", "answer")
        miss = misses[round % len(misses)]
        asked = filled(text, prompt=prompt, request=miss.request, answer=miss.answer)
        (reply,) = self.model.answer([Query.ask(asked, max_tokens=160)])
        if not isinstance(reply, Answer):
            raise reply.error
        return " ".join(reply.text.split()) or prompt


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`shown` examples of a scenario refine its prompt and stand in the pool; `held` others
    validate it."""

    shown: int = 2
    held: int = 5
    rounds: int = 4
    keep: float = 0.8

    def __post_init__(self) -> None:
        if min(self.shown, self.held, self.rounds) < 1 or not 0 <= self.keep <= 1:
            raise RecipeError("shown, held and rounds are at least 1, keep is a share")


@dataclass
class Training:
    """Scenarios are the clusters of each benchmark's harmful samples."""

    model: Model
    defender: Defender
    encoder: str
    static: str
    settings: Settings = Settings()
    told: Callable[[int, int, int], None] = lambda done, total, kept: None
    made: dict[str, object] = field(default_factory=dict[str, object])

    def run(self, samples: Sequence[Sample]) -> Pool:
        """The pool; a scenario with too few samples, or where no prompt holds, is left out."""
        if reserved := [one.id for one in samples if one.reserved]:
            raise RecipeError(f"nothing is trained on reserved samples, such as {reserved[0]}")
        scenarios = self._scenarios(samples)
        entries: list[Entry] = []
        for number, (name, group) in enumerate(scenarios.items()):
            entries += self._entries(name, group)
            self.told(number + 1, len(scenarios), len(entries))
        if not entries:
            raise RecipeError("no prompt held in any scenario; give other prompts or samples")
        made = {**self.made, **asdict(self.settings), "scenarios": len(scenarios)}
        return Pool(self.encoder, weights_of(self.encoder), tuple(entries), made)

    def _scenarios(self, samples: Sequence[Sample]) -> dict[str, list[Sample]]:
        groups: dict[str, list[Sample]] = {}
        for sample in samples:
            if sample.harmful and sample.query.images:
                groups.setdefault(f"{sample.category}: {sample.cluster}", []).append(sample)
        needed = self.settings.shown + self.settings.held
        enough = {name: group[:needed] for name, group in groups.items() if len(group) >= needed}
        if not enough:
            raise RecipeError(f"no scenario has {needed} harmful samples with a picture; give more")
        return dict(sorted(enough.items()))

    def _entries(self, name: str, group: Sequence[Sample]) -> list[Entry]:
        shown, held = group[: self.settings.shown], group[self.settings.shown :]
        prompt = self.static
        for round in range(self.settings.rounds):
            misses = self._misses(shown, prompt)
            refused = 1 - len(self._misses(held, prompt)) / len(held)
            if not misses and refused >= self.settings.keep:
                places = Placing(self.encoder)([sample.query for sample in shown])
                return [
                    Entry(
                        name, sample.query.user_text, sample.query.images[0].digest, prompt,
                        refused, tuple(round4(value) for value in place.tolist()),
                    )
                    for sample, place in zip(shown, places, strict=True)
                ]  # fmt: skip
            missed = misses or [Miss(one.query.user_text, "(another one)") for one in shown]
            prompt = self.defender.improve(prompt, missed, round)
        return []

    def _misses(self, samples: Sequence[Sample], prompt: str) -> list[Miss]:
        asked = [shielded(sample.query, prompt) for sample in samples]
        found: list[Miss] = []
        for sample, answer in zip(samples, self.model.answer(asked), strict=True):
            if not isinstance(answer, Answer):
                raise answer.error
            if not _refused(answer):
                found.append(Miss(sample.query.user_text, answer.text))
        return found


def round4(value: float) -> float:
    """Enough for a cosine."""
    return round(value, 4)


def _refused(answer: Answer) -> bool:
    """As a whole, or in its last sentence, after what was seen."""
    last = answer.text.rstrip(". ").rpartition(". ")[2]
    return declines(answer) or declines(Answer(last))
