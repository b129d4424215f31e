"""The cheap prefix: one text for all, by discrete search over its words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sallet.core.errors import RecipeError
from sallet.train.cases import Case
from sallet.train.reward import Reward


@dataclass(frozen=True, kw_only=True)
class Search:
    """`rounds` of `tries` changes each: a word swapped, put in, left out, or a phrase put before.

    The best of a round is kept if it is better on a batch of `batch` cases, drawn anew each round.
    """

    rounds: int = 8
    tries: int = 10
    batch: int = 32
    longest: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.rounds, self.tries, self.batch, self.longest) < 1:
            raise RecipeError("rounds, tries, batch and longest are at least 1 each")

    def run(
        self,
        reward: Reward,
        cases: Sequence[Case],
        starts: Sequence[str],
        told: Callable[[int, int, str], None] = lambda done, total, text: None,
    ) -> tuple[str, float]:
        """The best text and its mean reward on all cases; a start that is not bettered is kept."""
        if not starts or not cases:
            raise RecipeError("a search needs texts to start from, and cases")
        draw = random.Random(self.seed)
        words = sorted({word for start in starts for word in start.split()})
        first = draw.sample(list(cases), min(self.batch, len(cases)))
        best = max(starts, key=lambda text: reward.mean(first, text))
        known = {text: reward.mean(cases, text) for text in {best}}
        for number in range(self.rounds):
            told(number, self.rounds, f"reward {known[best]:.3f}")
            batch = draw.sample(list(cases), min(self.batch, len(cases)))
            made = {self._changed(best, words, draw) for _ in range(self.tries)} - {best}
            now = reward.mean(batch, best)
            scored = sorted(((reward.mean(batch, text), text) for text in made), reverse=True)
            if scored and scored[0][0] > now:
                text = scored[0][1]
                known[text] = reward.mean(cases, text)
                best = max(known, key=lambda one: (known[one], -len(one)))
        return best, known[best]

    def _changed(self, text: str, words: Sequence[str], draw: random.Random) -> str:
        parts = text.split()
        at = draw.randrange(len(parts))
        move = draw.choice(("swap", "in", "out"))
        if move == "swap":
            parts[at] = draw.choice(words)
        elif move == "in" and len(parts) < self.longest:
            parts.insert(at, draw.choice(words))
        elif len(parts) > 1:
            del parts[at]
        return " ".join(parts)
