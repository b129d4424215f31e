"""Two halves of a benchmark for an attack that makes one thing for all of it.

The thing is found on one half of the clusters and laid on both, so that what is learned by heart
stands apart (`seen`) from what carries over (`unseen`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sallet.core.errors import RecipeError
from sallet.core.sample import Sample
from sallet.core.seeds import derive


@dataclass(frozen=True)
class Halves:
    """`crafting` is what is looked at: of the seen samples, those that nobody reserved."""

    seen: tuple[Sample, ...]
    unseen: tuple[Sample, ...]
    crafting: tuple[Sample, ...]


def halves(samples: Sequence[Sample], benchmark: str, seed: int) -> Halves:
    """No cluster is in both halves; the same clusters for the same seed.

    A cluster of reserved samples alone is never seen.
    """
    clusters = sorted({sample.cluster for sample in samples})
    open_ones = sorted({sample.cluster for sample in samples if not sample.reserved})
    drawn = sorted(open_ones, key=lambda cluster: derive(seed, "halves", benchmark, cluster))
    looked_at = {*drawn[: len(clusters) // 2]}
    seen = tuple(sample for sample in samples if sample.cluster in looked_at)
    unseen = tuple(sample for sample in samples if sample.cluster not in looked_at)
    if not seen or not unseen:
        raise RecipeError(
            f"{benchmark} has {len(clusters)} clusters here, {len(open_ones)} of them open to "
            "attacks; one thing for all needs one to be found on and another to be tried on: raise "
            "the limit"
        )
    return Halves(seen, unseen, tuple(sample for sample in seen if not sample.reserved))
