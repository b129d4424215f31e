"""Words and pixels towards one goal: a word swap, a perturbation under it, and words again.

Co-Attack's order (Zhang et al. 2022: the text first, then the image against the attacked text),
for answers instead of embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sallet.attacks.alternate import Turn, in_turn
from sallet.attacks.pgd import PGD
from sallet.attacks.target import Target
from sallet.attacks.wordswap import WordSwap
from sallet.core.goal import Goal
from sallet.core.protocols import Hostile, Judge, Model, Progress, silent
from sallet.core.query import Query


@dataclass(frozen=True, kw_only=True)
class Joint:
    """`word-swap`, then `pgd`, then `word-swap` beside the picture that was made; each as it is.

    A sample that fell is left alone. Of words alone, picture under them and new words beside it
    the best is kept: `eps` and `words` hold for whichever that is.
    """

    name: ClassVar[str] = "joint"
    eps: float = 8.0
    norm: str = "linf"
    steps: int = 100
    words: int = 1
    candidates: int = 24
    masked: str = ""
    names: bool = False
    eot: int = 2
    confirm: int = 3
    batch: int = 32

    def __post_init__(self) -> None:
        _ = self.turns

    @property
    def turns(self) -> list[Turn]:
        """The attacks that it is made of."""
        words = WordSwap(
            words=self.words, candidates=self.candidates, masked=self.masked, names=self.names,
            eot=self.eot, confirm=self.confirm, batch=self.batch,
        )  # fmt: skip
        pixels = PGD(
            eps=self.eps, norm=self.norm, steps=self.steps,
            eot=self.eot, confirm=self.confirm, batch=self.batch,
        )  # fmt: skip
        return [("words", words), ("pixels", pixels), ("words", words)]

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
        target = Target(model, judge, self.eot, self.confirm, self.batch)
        return in_turn(self.turns, target, queries, goals, seed=seed, progress=progress)
