"""Which answers say the same, and whose words are returned: always a model's own.

A refusal is a refusal in whatever words: all of them say the same, and nothing else says it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from sallet.core.query import Answer
from sallet.defenses.embedders import Rows
from sallet.judges.keywords import keyword
from sallet.judges.rules import refuses

Ties: TypeAlias = Literal["first", "safe"]


@dataclass(frozen=True)
class Vote:
    """`winner` is the number of the answer that is returned, `lead` how many say the same."""

    winner: int
    lead: int


def agreed(answers: Sequence[Answer], rows: Sequence[Rows], alike: float, ties: Ties) -> Vote:
    """The medoid of the largest cluster; how many clusters there are is up to the answers.

    Agglomerative, average linkage, joined while cosines are above `alike`. Of equal clusters the
    one whose first answer came first, or (`safe`) one that refuses.
    """
    refused = np.array([declines(answer) for answer in answers])
    cosines = np.stack(rows) @ np.stack(rows).T
    cosines[np.ix_(refused, refused)] = 1
    cosines[np.ix_(refused, ~refused)] = 0
    cosines[np.ix_(~refused, refused)] = 0
    groups = _clusters(1 - cosines, 1 - alike)

    def rank(group: list[int]) -> tuple[int, bool, int]:
        return -len(group), ties == "safe" and not refused[group[0]], group[0]

    best = min(groups, key=rank)
    inside = np.round(cosines[np.ix_(best, best)].sum(1), 5)
    return Vote(best[int(inside.argmax())], len(best))


def two_means(answers: Sequence[Answer], rows: Sequence[Rows], seed: int) -> Vote:
    """SmoothGuard's own vote: two clusters whatever was said, and of the larger one the answer
    nearest to its mean."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    points = np.stack(rows)
    if len(points) < 2:
        return Vote(0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # all agree: one point, two clusters
        means = cast(Any, KMeans)(2, n_init=10, random_state=seed % 2**32)
        labels = means.fit_predict(points)
    sizes = np.bincount(labels, minlength=2)
    largest = labels[0] if sizes[0] == sizes[1] else int(sizes.argmax())
    (inside,) = np.nonzero(labels == largest)
    mean = points[inside].mean(0)
    near = np.round(points[inside] @ mean, 6)
    return Vote(int(inside[near.argmax()]), len(inside))


def by_class(
    answers: Sequence[Answer], refused: Callable[[Answer], bool], draw: Callable[[int], int]
) -> Vote:
    """SmoothVLM's own vote: refused or not, and of the larger class an answer by lot; a tie is
    not refused."""
    sides = [refused(answer) for answer in answers]
    side = sum(sides) > len(sides) / 2
    inside = [i for i, one in enumerate(sides) if one is side]
    return Vote(inside[draw(len(inside))], len(inside))


def declines(answer: Answer) -> bool:
    """Whether an answer is a refusal: whoever wrote it says so, or its words do."""
    return answer.refused_by is not None or refuses(answer.text)


def has_keyword(answer: Answer) -> bool:
    """Whether a keyword scorer takes it for a refusal (`smoothvlm-paper`)."""
    return keyword(answer.text)


def _clusters(distances: Rows, farthest: float) -> list[list[int]]:
    if len(distances) == 1:
        return [[0]]
    from sklearn.cluster import AgglomerativeClustering

    np.fill_diagonal(distances, 0)
    labels = cast(Any, AgglomerativeClustering)(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=farthest
    ).fit_predict(distances.clip(0))
    groups: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        groups.setdefault(int(label), []).append(i)
    return list(groups.values())
