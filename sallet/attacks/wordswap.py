"""Word substitution (BERT-Attack, Li et al. 2020): the most important words, greedily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sallet.attacks.asked import Word, part_of, with_word, words_of
from sallet.attacks.substitutes import Substitutes, masked, neighbours
from sallet.attacks.target import Case, Target
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.guarded import Guarded
from sallet.core.protocols import Enough, Going, Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query
from sallet.core.worded import Worded


@dataclass(frozen=True, kw_only=True)
class WordSwap:
    """At most `words` words of the last user turn, each in place of another.

    Words are taken in the order of how much the loss falls when they are left out. For each,
    `candidates` substitutes are looked at, and the best one stays if it lowers the loss. They come
    from the masked language model `masked` (a folder or a hub name), or else from the model's own
    embeddings. The model is asked after every swap, and at the end about the `variants` best texts.

    Words that a jailbreak's goal names are never swapped, unless `names` allows it: an answer about
    another thing is no success. Nothing else holds the meaning: a neighbour may be an opposite
    ("right" for "left"), so what an untargeted attack of this kind breaks may have been another
    question.
    """

    name: ClassVar[str] = "word-swap"
    words: int = 2
    candidates: int = 24
    masked: str = ""
    names: bool = False
    eot: int = 2
    confirm: int = 3
    variants: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        for key in ("words", "candidates", "eot", "confirm", "variants", "batch"):
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")

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
        """One hostile query for each query, in order; the samples are attacked one by one."""
        target = Target(model, judge, self.eot, self.confirm, self.batch)
        if target.seen is None:
            raise NoGradient(
                f"{self.name} needs losses, and {model.name!r} gives none; template needs answers "
                "only"
            )
        substitutes = self._substitutes(model)
        cases = [target.case(q, g, seed) for q, g in zip(queries, goals, strict=True)]
        try:
            for done, case in enumerate(cases, start=1):
                self._attack(target, substitutes, case)
                fell = sum(map(target.fell, cases))
                loss = case.best[0][0]
                progress(Going(done, len(cases), fell, len(cases), loss))
        except Enough:
            pass
        return [case.made() for case in cases]

    def _substitutes(self, model: Model) -> Substitutes:
        if self.masked:
            return masked(self.masked, self.candidates)
        inner = model.model if isinstance(model, Guarded) else model
        if not isinstance(inner, Worded):
            raise NoGradient(
                f"{self.name} takes substitutes from the model's own embeddings, and "
                f"{model.name!r} shows none: give masked, a masked language model"
            )
        return neighbours(inner.words, self.candidates)

    def _attack(self, target: Target, substitutes: Substitutes, case: Case) -> None:
        words = [word for word in words_of(case.query) if self.names or not _named(word, case.goal)]
        ((loss, _),) = target.look([(case, case.query)])
        case.start, now = loss, case.query
        case.keep(loss, now, self.variants)
        left_out = target.look([(case, with_word(now, word, "")) for word in words])
        order = sorted(range(len(words)), key=lambda i: left_out[i][0])
        swapped: list[tuple[Word, str]] = []
        for i in order:
            if len(swapped) == self.words or target.fell(case):
                break
            word = _there(words[i], swapped)
            others = substitutes(part_of(now, word), word.start, word.end)
            made = [(text, with_word(now, word, text)) for text in others]
            # The text as it is goes along: a random defence shows each step another loss of it.
            (loss, _), *seen = target.look([(case, now), *((case, query) for _, query in made)])
            case.steps += 1
            for (lower, _), (_, query) in zip(seen, made, strict=True):
                case.keep(lower, query, self.variants)
            best = min(range(len(made)), key=lambda k: seen[k][0], default=None)
            if best is not None and seen[best][0] < loss:
                loss, (text, now) = seen[best][0], made[best]
                swapped.append((words[i], text))
                target.ask([(case, now, loss)])
            case.curve.append(loss)
        target.ask_best(case)


def _there(word: Word, swapped: Sequence[tuple[Word, str]]) -> Word:
    """Where a word of the first text is after words before it have changed in length."""
    moved = sum(
        len(text) - len(other.text)
        for other, text in swapped
        if other.part == word.part and other.start < word.start
    )
    return Word(word.part, word.start + moved, word.end + moved, word.text)


def _named(word: Word, goal: Goal) -> bool:
    """Whether a goal's things have this word in their names (the words of its sentence aside)."""
    if goal.kind != "jailbreak":
        return False
    return any(word.text.casefold() in name.casefold().split() for name in goal.names)
