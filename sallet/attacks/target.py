"""`Target`: the model as an attack on words has it, to take losses of and to ask.

Words are discrete: there is no small step, only other texts. So these attacks make variants, take
their losses, and ask about the best of them; through a defence, the best of k by what the defended
model really answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import Guarded, randomised, varies
from sallet.core.protocols import Hostile, Judge, Model, WhiteBox, trace
from sallet.core.query import Query
from sallet.core.seeds import derive


@dataclass(eq=False)
class Case:
    """One sample under attack, and the best that was made of it so far.

    Kept is what the model, asked, fell for most often; among equals the one of lowest loss.
    """

    query: Query
    goal: Goal
    seed: int
    start: float | None = None
    gradient: float | None = None
    steps: int = 0
    looks: int = 0
    asks: int = 0
    eot: int = 1
    curve: list[float] = field(default_factory=list[float])
    best: list[tuple[float, Query]] = field(default_factory=list[tuple[float, Query]])
    """Variants in the order of their losses."""
    won: int = -1
    won_loss: float = float("inf")
    won_query: Query | None = None

    def keep(self, loss: float, query: Query, k: int) -> None:
        """Among the k variants of lowest loss, if it belongs there."""
        if all(query.messages != known.messages for _, known in self.best):
            self.best = sorted([*self.best, (loss, query)], key=lambda pair: pair[0])[:k]

    def answered(self, wins: int, loss: float, query: Query) -> None:
        """Keeps the query by how often the model fell for it."""
        if (wins, -loss) > (self.won, -self.won_loss) or self.won_query is None:
            self.won, self.won_loss, self.won_query = wins, loss, query

    def made(self) -> Hostile:
        """The best of it."""
        loss, query = self.best[0] if self.best else (None, self.query)
        if self.won_query is not None:
            query = self.won_query
            loss = self.won_loss if self.won_loss < float("inf") else None
        return Hostile(
            query.with_defense_seed(self.query.defense_seed), self.start, loss, self.steps,
            self.gradient, self.asks, self.looks, self.eot, tuple(self.curve),
        )  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Where the defence is random, losses are means over `eot` of its seeds (the same ones for
    every variant of a step), and a question is put with `confirm` fresh ones. A model that is not
    deterministic is asked `confirm` times, too, about what it fell for."""

    model: Model
    judge: Judge
    eot: int = 1
    confirm: int = 3
    batch: int = 64

    @property
    def random(self) -> bool:
        """Whether what the model is shown depends on a defence's seed."""
        return randomised(self.model)

    @property
    def times(self) -> int:
        """How often the model must fall for a query: once is a fall only where it stays one."""
        return self.confirm if varies(self.model) else 1

    @property
    def seen(self) -> WhiteBox | None:
        """What losses are taken of: nothing, if nobody can; the bare model behind a defence that
        cannot be rehearsed."""
        if isinstance(self.model, Guarded):
            inner = self.model.model
            if not isinstance(inner, WhiteBox):
                return None
            return inner if self.model.defense.gradient == "none" else self.model
        return self.model if isinstance(self.model, WhiteBox) else None

    def case(self, query: Query, goal: Goal, seed: int) -> Case:
        """A sample at its beginning."""
        own = derive(seed, "attack", query.digest, goal.text)
        return Case(query, goal, own, eot=self.eot if self.random else 1)

    def fell(self, case: Case) -> bool:
        """Whether the model fell every time it was asked."""
        return case.won >= self.times

    def seeds(self, case: Case, label: str, number: int) -> list[int]:
        """Defence seeds of the attacker's own."""
        return [derive(case.seed, label, case.steps, k) for k in range(number)]

    def look(self, variants: Sequence[tuple[Case, Query]]) -> list[tuple[float, bool]]:
        """Each variant's loss, and whether the model now seems to say what is wanted."""
        if self.seen is None:
            return [(float("inf"), False)] * len(variants)
        rows = [
            (case, query.with_defense_seed(seed))
            for case, query in variants
            for seed in self.seeds(case, "eot", case.eot)
        ]
        seen = iter(_traced(self.seen, rows, self.batch))
        looked: list[tuple[float, bool]] = []
        for case, _ in variants:
            own = [next(seen) for _ in range(case.eot)]
            case.looks += len(own)
            wanted = case.goal.sign > 0
            loss = sum(loss for loss, _ in own) / len(own)
            looked.append((loss, all(says is wanted for _, says in own)))
        return looked

    def ask(self, asked: Sequence[tuple[Case, Query, float]]) -> None:
        """Puts each query to the model, and lets its case keep it by what came back."""
        wins = self.wins([(case, query) for case, query, _ in asked])
        for (case, query, loss), won in zip(asked, wins, strict=True):
            case.answered(won, loss, query)

    def wins(self, rows: Sequence[tuple[Case, Query]]) -> list[int]:
        """How often the model falls for each; what a model that may answer otherwise fell for once
        is put to it again."""
        first = self.times if self.random else 1
        wins = self._put(rows, first)
        again = [i for i, won in enumerate(wins) if won and first < self.times]
        more = self._put([rows[i] for i in again], self.times - first)
        for i, won in zip(again, more, strict=True):
            wins[i] += won
        return wins

    def _put(self, rows: Sequence[tuple[Case, Query]], times: int) -> list[int]:
        asked = [
            (case, query.with_defense_seed(seed))
            for case, query in rows
            for seed in self.seeds(case, f"ask {case.asks}", times)
        ]
        answers = self.model.answer([query for _, query in asked]) if asked else []
        fell = [
            self.judge.judge(query, answer, case.goal).outcome is Outcome.SUCCESS
            for (case, query), answer in zip(asked, answers, strict=True)
        ]
        for case, _ in rows:
            case.asks += times
        return [sum(fell[i * times : (i + 1) * times]) for i in range(len(rows))]

    def ask_best(self, case: Case) -> None:
        """The best of the k variants that were kept, one after the other until one wins."""
        for loss, query in case.best:
            if self.fell(case):
                return
            self.ask([(case, query, loss)])


def _traced(
    model: WhiteBox, rows: Sequence[tuple[Case, Query]], batch: int
) -> list[tuple[float, bool | None]]:
    """Losses and signs, in half as large batches where memory runs out."""
    found: list[tuple[float, bool | None]] = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        try:
            with torch.no_grad():
                seen = trace(model, [query for _, query in part], [case.goal for case, _ in part])
        except (torch.OutOfMemoryError, MemoryError) as error:
            if len(part) == 1:
                raise
            error.__traceback__ = None  # its frames hold the batch that did not fit
            found += _traced(model, part, len(part) // 2)
        else:
            found += zip(seen.loss.float().cpu().tolist(), seen.says, strict=True)
    return found
