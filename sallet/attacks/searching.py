"""The loop of every attack that only asks.

An attack is a search: it says which points it wants to look at and is told how near they came.
The searches of many samples run side by side; what they all want goes to the model in one batch,
and a sample that fell leaves its place to one that waits. Every image that the model is shown is an
8-bit one inside the ball, with a defence seed that it never had before: what a stranger can send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import torch

from sallet.attacks.coarse import distance
from sallet.attacks.trial import Point, Trial
from sallet.core.goal import Goal, Outcome
from sallet.core.protocols import Enough, Going, Heard, Hostile, Judge, Model, Progress, score
from sallet.core.query import Answer, Failure, Query
from sallet.core.seeds import derive

if TYPE_CHECKING:
    from sallet.attacks.queries import QueryAttack

Steps: TypeAlias = Generator[list[Point], list[float], None]
"""Points to look at, and their losses (infinite: nothing came back) in return."""


@dataclass(eq=False)
class Search:
    """One sample's search: its trial, its randomness, and what the model shows it."""

    trial: Trial
    generator: torch.Generator
    random: bool
    scored: bool
    """Whether probabilities are looked at; once the first look shows none, answers are."""
    steps: Steps
    wants: list[Point] = field(default_factory=list[Point])
    begun: bool = False
    over: bool = False
    replies: bool = False
    """Whether a look at probabilities brings the answer, too."""
    asked: Point | None = None
    asked_at: int = 0

    @property
    def spent(self) -> int:
        """Queries so far."""
        return self.trial.asks + self.trial.looks


@dataclass(eq=False)
class _Look:
    """One query that was made, and what it gave."""

    search: Search
    point: Point
    loss: float
    says: bool | None
    won: bool | None
    """What the judge said of the answer; None where there is none to judge."""


@dataclass(eq=False)
class Run:
    """One call of an attack: its searches on their way through the places of the batch."""

    attack: QueryAttack
    model: Model
    searches: list[Search]
    judge: Judge
    needed: int
    """Wins at different defence seeds that a sample has fallen with."""
    progress: Progress

    def run(self) -> list[Hostile]:
        waiting, running = deque(self.searches), list[Search]()
        try:
            while waiting or running:
                while waiting and len(running) < self.attack.batch:
                    running.append(waiting.popleft())
                self._round(running)
                self._last([s for s in running if s.over])
                running = [s for s in running if not s.over]
                self._tell(running)
        except Enough:
            self._last(running)
        return [search.trial.made(self.attack.space) for search in self.searches]

    def _round(self, running: list[Search]) -> None:
        """Looks at what every search wants, asks about what promises, and tells each its losses."""
        looks = self._look([(s, p) for s in running for p in s.wants[: self._room(s)]])
        hopes: list[_Look] = []
        for search in running:
            own = [look for look in looks if look.search is search]
            for look in own:
                self._note(look)
            hope = self._hope(search, own)
            hopes += [hope] if hope else []
        self._confirm(hopes)
        for search in running:
            self._move(search, [look.loss for look in looks if look.search is search])

    def _room(self, search: Search) -> int:
        """The looks that are left; some queries are kept to ask about the best at the end."""
        kept = 0
        if search.scored and not search.replies:
            kept = min(self.needed, self.attack.queries // 2)
        return max(0, self.attack.queries - search.spent - kept)

    def _look(self, rows: list[tuple[Search, Point]]) -> list[_Look]:
        asked = [self._seeded(search, point, n) for n, (search, point) in _numbered(rows)]
        goals = [search.trial.goal for search, _ in rows]
        by_scores = [i for i, (search, _) in enumerate(rows) if search.scored]
        by_answers = [i for i, (search, _) in enumerate(rows) if not search.scored]
        heard: dict[int, Heard] = {}
        if by_scores:
            shown = score(self.model, [asked[i] for i in by_scores], [goals[i] for i in by_scores])
            heard |= dict(zip(by_scores, shown, strict=True))
        if by_answers:
            answers = self.model.answer([asked[i] for i in by_answers])
            heard |= {i: Heard(None, answer=a) for i, a in zip(by_answers, answers, strict=True)}
        return [self._seen(*rows[i], asked[i], heard[i]) for i in range(len(rows))]

    def _seeded(self, search: Search, point: Point, n: int) -> Query:
        hostile = search.trial.hostile(self.attack.space, point)
        return hostile.with_defense_seed(derive(search.trial.seed, "query", search.spent + n))

    def _seen(self, search: Search, point: Point, query: Query, heard: Heard) -> _Look:
        trial, answer = search.trial, heard.answer
        if search.scored:
            trial.looks += 1
            search.replies = search.replies or isinstance(answer, Answer)
        else:
            trial.asks += 1
        if not search.begun and search.scored and heard.score is None:
            search.scored = False  # for good: a loss of one kind is never held against the other
        loss, won = float("inf"), None
        if search.scored and heard.score is not None:
            loss = -trial.goal.sign * heard.score
        if answer is not None:
            verdict = self.judge.judge(query, answer, trial.goal)
            won = verdict.outcome is Outcome.SUCCESS
            if not search.scored and isinstance(answer, Answer):
                loss = distance(answer, verdict, trial.goal)
        return _Look(search, point, loss, heard.says, won)

    def _note(self, look: _Look) -> None:
        trial = look.search.trial
        trial.steps += 1
        trial.point = look.point
        if look.loss < float("inf"):
            trial.look(look.loss, look.says)
            look.point = trial.seen
        if look.won is not None:
            trial.answered(int(look.won), look.loss, look.point)

    def _hope(self, search: Search, own: list[_Look]) -> _Look | None:
        """The look of this round, if any, that is worth more questions."""
        trial = search.trial
        won = [look for look in own if look.won]
        if won:
            return min(won, key=lambda look: look.loss) if self.needed > 1 else None
        unknown = [look for look in own if look.won is None and look.loss < float("inf")]
        wanted = trial.goal.sign > 0
        signs = [look for look in unknown if look.says is wanted]
        if signs and trial.steps >= trial.quiet_until:
            return min(signs, key=lambda look: look.loss)
        due = trial.steps - search.asked_at >= self.attack.check_every
        if unknown and due and search.asked is not trial.lowest_point:
            return _Look(search, trial.lowest_point, trial.lowest, None, None)
        return None

    def _confirm(self, hopes: list[_Look]) -> None:
        """Asks about each with fresh defence seeds, as often as it takes and the budget allows."""
        rows = [
            (look, self._seeded(look.search, look.point, n))
            for look in hopes
            for n in range(self._questions(look))
        ]
        answers = self.model.answer([query for _, query in rows]) if rows else []
        for look in hopes:
            trial = look.search.trial
            own = [(q, a) for (one, q), a in zip(rows, answers, strict=True) if one is look]
            if not own:
                continue
            wins = int(look.won or False) + sum(self._wins(q, a, trial.goal) for q, a in own)
            trial.asks += len(own)
            trial.says = look.says
            trial.answered(wins, look.loss, look.point)
            look.search.asked, look.search.asked_at = look.point, trial.steps

    def _questions(self, look: _Look) -> int:
        left = self.attack.queries - look.search.spent
        return min(left, self.needed - int(look.won or False))

    def _wins(self, query: Query, answer: Answer | Failure, goal: Goal) -> bool:
        return self.judge.judge(query, answer, goal).outcome is Outcome.SUCCESS

    def _move(self, search: Search, losses: list[float]) -> None:
        if not search.begun and not search.scored and losses == [float("inf")]:
            search.begun = True
            return  # probabilities were refused: the same point again, by its answer
        search.begun = True
        if self._fell(search) or not losses or len(losses) < len(search.wants):
            search.over = True
            return
        try:
            search.wants = search.steps.send(losses)
        except StopIteration:
            search.over = True

    def _fell(self, search: Search) -> bool:
        return search.trial.won >= self.needed

    def _last(self, searches: list[Search]) -> None:
        """What the budget kept back is spent on the best that was never asked about."""
        self._confirm(
            [
                _Look(search, search.trial.lowest_point, search.trial.lowest, None, None)
                for search in searches
                if not self._fell(search) and search.scored and not search.replies
                and search.trial.lowest_point and search.asked is not search.trial.lowest_point
            ]
        )  # fmt: skip

    def _tell(self, running: Sequence[Search]) -> None:
        losses = [s.trial.lowest for s in running if s.trial.lowest_point]
        budget = self.attack.queries
        self.progress(
            Going(
                done=sum(budget if s.over else s.spent for s in self.searches),
                total=budget * len(self.searches),
                fell=sum(self._fell(s) for s in self.searches),
                samples=len(self.searches),
                loss=sum(losses) / len(losses) if losses else None,
            )
        )


def _numbered(rows: list[tuple[Search, Point]]) -> Iterator[tuple[int, tuple[Search, Point]]]:
    """Each row with its place among its own search's."""
    counts: dict[int, int] = {}
    for row in rows:
        n = counts.get(id(row[0]), 0)
        counts[id(row[0])] = n + 1
        yield n, row
