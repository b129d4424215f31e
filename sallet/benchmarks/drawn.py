"""Which samples a limit keeps: the same ones for the same seed, every category by its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sallet.core.errors import RecipeError
from sallet.core.sample import Sample
from sallet.core.seeds import derive


def drawn(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most `limit` of the samples, in their own order.

    Strata are categories, harmful and benign apart; each gets its share of the limit, rounded so
    that the shares add up (the largest remainders first). Every stratum's own order of drawing
    does not depend on the limit.
    """
    if limit is None or limit >= len(samples):
        return list(samples)
    if limit < 1:
        raise RecipeError(f"a limit is at least 1, not {limit}")
    strata: dict[tuple[str, bool], list[int]] = {}
    for i, sample in enumerate(samples):
        strata.setdefault((sample.category, sample.harmful), []).append(i)
    kept: list[int] = []
    for (key, members), count in zip(
        strata.items(), shares([len(m) for m in strata.values()], limit), strict=True
    ):
        rng = np.random.default_rng(derive(seed, "stratum", *map(str, key)))
        kept += [members[int(j)] for j in rng.permutation(len(members))[:count]]
    return [samples[i] for i in sorted(kept)]


def shares(sizes: Sequence[int], limit: int) -> list[int]:
    """`limit` shared out by size; ties go to the earlier one."""
    exact = [size * limit / sum(sizes) for size in sizes]
    whole = [int(share) for share in exact]
    order = sorted(range(len(sizes)), key=lambda i: (whole[i] - exact[i], i))
    for i in order[: limit - sum(whole)]:
        whole[i] += 1
    return whole
