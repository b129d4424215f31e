"""Greedy coordinate gradient (Zou et al. 2023, algorithm 1): a suffix of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from sallet.attacks.target import Case, Target
from sallet.core.errors import ModelError, NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.guarded import Guarded
from sallet.core.protocols import (
    Enough,
    Going,
    Hostile,
    Judge,
    Model,
    Progress,
    Trace,
    silent,
    trace,
)
from sallet.core.query import Answer, Failure, Query
from sallet.core.seeds import derive
from sallet.core.worded import Vocabulary, Worded

TRIES = 4
"""Draws for each candidate wanted: many swaps would be read as other tokens than were meant."""


@dataclass(frozen=True)
class _Nudged:
    """A white box whose losses are those of a suffix that lies elsewhere by `nudge`."""

    model: Worded
    words: str
    nudge: Tensor

    @property
    def name(self) -> str:
        return self.model.name

    def answer(self, queries: Sequence[Query]) -> list[Answer | Failure]:
        return self.model.answer(queries)

    def loss(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Tensor:
        return self.trace(queries, goals).loss

    def trace(self, queries: Sequence[Query], goals: Sequence[Goal]) -> Trace:
        return self.model.nudged(queries, goals, self.words, self.nudge)


@dataclass(frozen=True, kw_only=True)
class GCG:
    """At most `length` tokens after the last user turn's words, one of them changed at each step.

    At each step the gradient to the suffix's one-hot tokens names the `top` best tokens for each
    place; `width` suffixes with one of them each are looked at, and the best one is gone on with
    (the paper: 256, 512, and 500 steps). Only what survives being typed counts: a suffix that would
    be read as other tokens is none, nor is one with special or unprintable tokens or, with `ascii`,
    any that is not ASCII.

    Handed a `Guarded`, gradient and losses go through the defence wherever the suffix still stands
    in what it shows the model, over `eot` of its seeds where it is random. The model is asked every
    `check_every` steps, whenever it seems to say what is wanted, and at the end about the
    `variants` best.
    """

    name: ClassVar[str] = "gcg"
    length: int = 20
    steps: int = 100
    top: int = 64
    width: int = 64
    start: str = "!"
    ascii: bool = True
    eot: int = 2
    check_every: int = 10
    confirm: int = 3
    variants: int = 5
    batch: int = 64

    def __post_init__(self) -> None:
        for key in (
            "length", "steps", "top", "width", "eot", "check_every", "confirm", "variants", "batch"
        ):  # fmt: skip
            if getattr(self, key) < 1:
                raise RecipeError(f"{key} must be at least 1; it is {getattr(self, key)}")
        if not self.start.strip():
            raise RecipeError("start must be a word or a mark that the suffix begins as; it is ''")

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
        inner = model.model if isinstance(model, Guarded) else model
        if not isinstance(inner, Worded):
            raise NoGradient(
                f"{self.name} needs a gradient to the words, and {model.name!r} gives none; "
                "template needs answers only, word-swap losses only"
            )
        target = Target(model, judge, self.eot, self.confirm, self.batch)
        cases = [target.case(q, g, seed) for q, g in zip(queries, goals, strict=True)]
        try:
            for number, case in enumerate(cases):

                def tell(steps: int, loss: float, before: int = number) -> None:
                    done, fell = before * self.steps + steps, sum(map(target.fell, cases))
                    progress(Going(done, len(cases) * self.steps, fell, len(cases), loss))

                self._attack(target, inner, case, tell)
        except Enough:
            pass
        return [case.made() for case in cases]

    def _attack(
        self, target: Target, model: Worded, case: Case, tell: Callable[[int, float], None]
    ) -> None:
        search = _Search(self, target, model, case)
        ((case.start, _),) = target.look([(case, case.query)])
        search.begin()
        try:
            while case.steps < self.steps and not target.fell(case):
                loss, says = search.step()
                case.steps += 1
                case.curve.append(loss)
                if says or case.steps % self.check_every == 0:
                    target.ask([(case, search.query, loss)])
                tell(self.steps if target.fell(case) else case.steps, loss)
        except Enough:
            target.ask_best(case)
            raise
        target.ask_best(case)


class _Search:
    """One sample's suffix on its way."""

    def __init__(self, attack: GCG, target: Target, model: Worded, case: Case) -> None:
        self.attack, self.target, self.model, self.case = attack, target, model, case
        self.generator = torch.Generator().manual_seed(derive(case.seed, "gcg"))
        self.vocabulary = model.words.vocabulary()
        self.allowed = _allowed(self.vocabulary, attack.ascii)
        self.suffix, self.query, self.tokens = self._first()

    def _first(self) -> tuple[str, Query, list[int]]:
        """As many marks as are `length` tokens; to some tokenizers each is two."""
        tokens: list[int] = []
        for number in range(self.attack.length, 0, -1):
            suffix = " ".join([self.attack.start] * number)
            query = self._with(suffix)
            tokens = list(self.model.words.tokens(query, suffix))
            if not tokens:
                raise ModelError(
                    f"the suffix {suffix!r} is not found in what {self.model.name} reads: its chat "
                    "template changes words; start from others"
                )
            if len(tokens) <= self.attack.length:
                return suffix, query, tokens
        raise RecipeError(
            f"start {self.attack.start!r} is {len(tokens)} tokens to {self.model.name}, and length "
            f"is {self.attack.length}: take a shorter start, or a longer suffix"
        )

    def begin(self) -> float:
        """The loss of the first suffix."""
        ((loss, _),) = self.target.look([(self.case, self.query)])
        self.case.keep(loss, self.query, self.attack.variants)
        return loss

    def step(self) -> tuple[float, bool]:
        """Goes on to the best of the candidates, as the paper does, be it better or not."""
        made = self._candidates(self._gradient())
        queries = [self._with(suffix) for suffix, _ in made]
        seen = self.target.look([(self.case, query) for query in queries])
        for (loss, _), query in zip(seen, queries, strict=True):
            self.case.keep(loss, query, self.attack.variants)
        if not made:  # nothing that can be typed was drawn: stay, and draw again
            return self.begin(), False
        best = min(range(len(made)), key=lambda i: seen[i][0])
        (self.suffix, self.tokens), self.query = made[best], queries[best]
        return seen[best]

    def _with(self, suffix: str) -> Query:
        return self.case.query.with_text(after=suffix)

    def _gradient(self) -> Tensor:
        """`[n, d]`: where the loss falls if the suffix's vectors move."""
        case, guarded = self.case, self.target.model
        vectors = self.vocabulary.vectors
        nudge = torch.zeros(len(self.tokens), vectors.shape[1], device=vectors.device)
        nudge.requires_grad_()
        seen = _Nudged(self.model, self.suffix, nudge)
        if isinstance(guarded, Guarded) and self.target.seen is guarded:
            seen = replace(guarded, model=seen)
        seeds = self.target.seeds(case, "gradient", case.eot)
        with torch.enable_grad():
            queries = [self.query.with_defense_seed(seed) for seed in seeds]
            loss = trace(seen, queries, [case.goal] * len(seeds)).loss.mean()
            found = None
            if loss.requires_grad:
                (found,) = torch.autograd.grad(loss, nudge, allow_unused=True)
        case.looks += len(seeds)
        gradient = torch.zeros_like(nudge) if found is None else torch.nan_to_num(found)
        if case.gradient is None:
            case.gradient = float(gradient.abs().max())
        return gradient

    def _candidates(self, gradient: Tensor) -> list[tuple[str, list[int]]]:
        """Suffixes with one token swapped that are read as they are meant, places in turn."""
        choice = self._best(gradient)
        made: dict[str, list[int]] = {}
        for draw in range(TRIES * self.attack.width):
            if len(made) == self.attack.width:
                break
            place = draw % len(self.tokens)
            pick = int(torch.randint(choice.shape[1], (1,), generator=self.generator))
            tokens = list(self.tokens)
            tokens[place] = int(choice[place, pick])
            if tokens == self.tokens:
                continue
            suffix = self.model.words.respell(self.query, self.suffix, tokens)
            if suffix is not None:
                made[suffix] = tokens
        return list(made.items())

    def _best(self, gradient: Tensor) -> Tensor:
        """The tokens `[n, top]` that the gradient asks for; any, where there is no gradient."""
        ids, count = self.vocabulary.ids, min(self.attack.top, int(self.allowed.sum()))
        if not bool(gradient.abs().max() > 0):
            every = ids[self.allowed].cpu()
            return every.expand(len(self.tokens), -1)
        scores = gradient @ self.vocabulary.vectors.float().T
        scores[:, ~self.allowed] = float("inf")
        return ids[scores.topk(count, dim=1, largest=False).indices].cpu()


def _allowed(vocabulary: Vocabulary, only_ascii: bool) -> Tensor:
    every = [text.isascii() or not only_ascii for text in vocabulary.texts]
    return torch.tensor(every, device=vocabulary.ids.device)
