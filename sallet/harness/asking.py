"""Asks a guarded model, judges what it said, and counts what that cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sallet.core.errors import UsageError
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.guarded import Guarded
from sallet.core.protocols import Judge, Pooled
from sallet.core.query import Answer, Failure, Query
from sallet.runs.answers import Answers, Known, cacheable
from sallet.runs.recipe import digest
from sallet.runs.record import Said


@dataclass(frozen=True)
class Reply:
    """An answer, how many model queries it took, and its share of the pooled time."""

    answer: Answer | Failure
    asks: float
    seconds: float
    cached: bool = False

    @property
    def text(self) -> str | None:
        """What was said, if anything was."""
        return _writable(self.answer.text) if isinstance(self.answer, Answer) else None

    @property
    def said(self) -> Said:
        """What a row keeps of it."""
        if isinstance(self.answer, Failure):
            error = self.answer.error
            return Said(None, error=_writable(f"{type(error).__name__}: {error}"))
        return Said(_writable(self.answer.text), self.answer.refused_by, self.answer.finish)

    @property
    def copies(self) -> tuple[Said, ...]:
        """What a row keeps of the answers that it was chosen from."""
        if isinstance(self.answer, Failure):
            return ()
        return tuple(
            Said(_writable(one.text), one.refused_by, one.finish) for one in self.answer.copies
        )


@dataclass
class Asker:
    """A guarded model that is never asked the same thing with the same defence seed twice.

    `identity` says what would answer; with one, answers are looked up in `cache` first and kept
    there. Failures are kept nowhere.
    """

    guarded: Guarded
    cache: Answers = field(default_factory=Answers)
    identity: str | None = None
    _known: dict[tuple[str, int], Reply] = field(
        default_factory=dict[tuple[str, int], Reply], init=False
    )

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply for each query, in order, with one pooled call for all that is new."""
        keys = [(query.digest, query.defense_seed) for query in queries]
        new = {
            key: query for key, query in zip(keys, queries, strict=True) if key not in self._known
        }
        self._known |= self._remembered(list(new))
        new = {key: query for key, query in new.items() if key not in self._known}
        if new:
            began = time.perf_counter()
            answers = self.guarded.answer(list(new.values()))
            seconds = (time.perf_counter() - began) / len(new)
            asks = self.guarded.tally.items["model"] / len(new)
            made = {
                key: Reply(answer, asks, seconds) for key, answer in zip(new, answers, strict=True)
            }
            self._known |= made
            self._remember(made)
        return [self._known[key] for key in keys]

    def _remembered(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Reply]:
        if self.identity is None:
            return {}
        addresses = {digest([self.identity, *key]): key for key in keys}
        found = self.cache.find(list(addresses))
        return {
            addresses[address]: Reply(known.answer, known.asks, known.seconds, cached=True)
            for address, known in found.items()
        }

    def _remember(self, made: dict[tuple[str, int], Reply]) -> None:
        if self.identity is None:
            return
        self.cache.keep(
            {
                digest([self.identity, *key]): Known(reply.answer, reply.asks, reply.seconds)
                for key, reply in made.items()
                if isinstance(reply.answer, Answer) and cacheable(reply.answer)
            }
        )


def judged(judge: Judge, query: Query, reply: Reply, goal: Goal) -> Verdict:
    """The judge's verdict; what cannot be judged is unassessed, and says why."""
    if isinstance(reply.answer, Failure):
        return Verdict(Outcome.UNASSESSED, f"no answer: {reply.said.error}")
    try:
        return judge.judge(query, reply.answer, goal)
    except Exception as error:
        return Verdict(Outcome.UNASSESSED, f"judge: {type(error).__name__}: {error}")


def judged_all(judge: Judge, items: Sequence[tuple[Query, Reply, Goal]]) -> list[Verdict]:
    """A verdict for each, in order; a judge that asks a model is asked of all at once."""
    if not isinstance(judge, Pooled):
        return [judged(judge, *item) for item in items]
    found = [None if isinstance(r.answer, Failure) else (q, r.answer, g) for q, r, g in items]
    asked = [item for item in found if item is not None]
    try:
        told = iter(judge.judge_all(asked))
        return [
            judged(judge, *item) if one is None else next(told)
            for item, one in zip(items, found, strict=True)
        ]
    except UsageError:
        raise
    except Exception as error:
        lost = Verdict(Outcome.UNASSESSED, f"judge: {type(error).__name__}: {error}")
        return [
            judged(judge, *item) if one is None else lost
            for item, one in zip(items, found, strict=True)
        ]


def heard(judge: Judge, query: Query, said: Said, goal: Goal) -> Verdict:
    """The judge's verdict of what a row keeps of an answer."""
    if said.text is None:
        return Verdict(Outcome.UNASSESSED, f"no answer: {said.error}")
    answer = Answer(said.text, refused_by=said.refused_by, finish=said.finish)
    return judged(judge, query, Reply(answer, 0, 0), goal)


def is_right(verdict: Verdict, goal: Goal) -> bool | None:
    """Whether a task's answer is right: None where nobody can tell."""
    if verdict.right is not None or verdict.outcome is Outcome.UNASSESSED:
        return verdict.right
    return verdict.outcome is Outcome.RESISTED if goal.kind == "untargeted" else None


def refuser(verdict: Verdict, said: Said) -> str | None:
    """Who refused: whoever says so of itself, else the model if the judge reads a refusal."""
    return said.refused_by or ("model" if verdict.refused else None)


def _writable(text: str) -> str:
    """The text as a file can hold it: half of a surrogate pair, which JSON may spell, is U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
