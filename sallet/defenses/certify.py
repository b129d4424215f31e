"""The certificate of randomized smoothing (Cohen et al. 2019), where it holds and nowhere else.

What is certified is the *smoothed* classifier: the class that the model's answer to a noisy copy
most often has. The map from answers to classes is fixed before anything is sampled; the copies
that choose the class are not those that bound its probability; their number is fixed. Then, with
probability at least 1 - alpha over the noise, no change of the pictures whose L2 norm is below the
radius changes that class. Per pixel this is very little, which is why it is said, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from sallet.core.errors import InputError, RecipeError, UnknownName
from sallet.core.protocols import Model
from sallet.core.query import Answer, Query
from sallet.core.seeds import derive
from sallet.defenses.views import noisy
from sallet.defenses.votes import declines
from sallet.judges.answers import names, says

ABSTAIN: Final = "ABSTAIN"
NO_ANSWER: Final = "no answer"
ClassMap: TypeAlias = "Callable[[Answer], str]"
CHUNK: Final = 512


def refusal(answer: Answer) -> str:
    """Whether it is a refusal."""
    return "refuses" if declines(answer) else "complies"


def yes_no(answer: Answer) -> str:
    """A yes, a no, or neither."""
    found = [word for word in ("yes", "no") if says(answer.text, (word,))]
    return found[0] if len(found) == 1 else "neither"


def naming(things: Sequence[str]) -> ClassMap:
    """Which of these things it names; `none`, or `several`, are classes, too."""
    known = tuple(things)

    def named(answer: Answer) -> str:
        found = [thing for thing in known if names(answer.text, (thing,))]
        return found[0] if len(found) == 1 else ("several" if found else "none")

    return named


def _world() -> ClassMap:
    from sallet.world.nouns import NOUNS

    return naming(NOUNS)


CLASS_MAPS: Mapping[str, Callable[[], ClassMap]] = MappingProxyType(
    {"refusal": lambda: refusal, "yes-no": lambda: yes_no, "thing": _world}
)


def class_map(name: str) -> ClassMap:
    """The map of this name: `refusal`, `yes-no`, or `thing` (of the picture world)."""
    if name not in CLASS_MAPS:
        raise UnknownName("class map", name, CLASS_MAPS)
    return CLASS_MAPS[name]()


@dataclass(frozen=True)
class Smoothed:
    """How a smoothed classifier is sampled: `select` copies choose the class, `estimate` other
    ones bound its probability, and `alpha` is how often a certificate may be wrong."""

    sigma: float = 0.25
    select: int = 20
    estimate: int = 200
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.sigma <= 1:
            raise RecipeError(f"a certificate needs a sigma above 0 and at most 1; {self.sigma}")
        if self.select < 1 or self.estimate < 1:
            raise RecipeError("select and estimate are numbers of copies, at least 1 each")
        if not 0 < self.alpha < 0.5:
            raise RecipeError(f"alpha is above 0 and below 0.5; it is {self.alpha}")


@dataclass(frozen=True)
class Certificate:
    """`label` is the class, or ABSTAIN; `radius` is an L2 norm over every picture's values in
    [0, 1], and `per_pixel` the L-inf change, in 8-bit steps, that would have this norm if every
    value took it. `share` is of the estimate, `bound` below its probability."""

    label: str
    radius: float
    per_pixel: float
    share: float
    bound: float


def certify(
    model: Model, queries: Sequence[Query], classes: ClassMap, how: Smoothed
) -> list[Certificate]:
    """One for each query, in order. The model may be a guarded one."""
    for query in queries:
        if not query.images or query.sounds:
            raise InputError("a certificate is of a query with pictures and without sounds")
    chosen = _counts(model, queries, classes, how, "select", how.select)
    counted = _counts(model, queries, classes, how, "estimate", how.estimate)
    return [
        _certificate(query, _top(first), second, how)
        for query, first, second in zip(queries, chosen, counted, strict=True)
    ]


def predict(model: Model, queries: Sequence[Query], classes: ClassMap, how: Smoothed) -> list[str]:
    """The smoothed classifier's class of each query, or ABSTAIN: it is wrong about the likeliest
    one with probability alpha at most (Hung & Fithian 2019)."""
    from scipy.stats import binomtest

    found: list[str] = []
    for counts in _counts(model, queries, classes, how, "predict", how.estimate):
        (label, first), *rest = counts.most_common(2)
        second = rest[0][1] if rest else 0
        clear = binomtest(first, first + second, 0.5).pvalue <= how.alpha
        found.append(label if clear and label != NO_ANSWER else ABSTAIN)
    return found


def lower_bound(hits: int, of: int, alpha: float) -> float:
    """Below the probability of a hit, with confidence 1 - alpha (Clopper & Pearson, one-sided)."""
    from scipy.special import betaincinv

    return float(betaincinv(hits, of - hits + 1, alpha)) if hits else 0.0


def radius_of(bound: float, sigma: float) -> float:
    """Theorem 1 with the runner-up's probability at most what the bound leaves."""
    from scipy.special import ndtri

    return float(sigma * ndtri(bound)) if bound > 0.5 else 0.0


def _certificate(query: Query, label: str, counts: Counter[str], how: Smoothed) -> Certificate:
    hits, of = counts[label], counts.total()
    bound = lower_bound(hits, of, how.alpha)
    if bound <= 0.5 or label == NO_ANSWER:
        return Certificate(ABSTAIN, 0.0, 0.0, hits / of, bound)
    radius = radius_of(bound, how.sigma)
    values = sum(3 * image.size[0] * image.size[1] for image in query.images)
    return Certificate(label, radius, 255 * radius / math.sqrt(values), hits / of, bound)


def _top(counts: Counter[str]) -> str:
    """The most frequent class; of equals the first in the alphabet."""
    return min(counts, key=lambda label: (-counts[label], label))


def _counts(
    model: Model, queries: Sequence[Query], classes: ClassMap, how: Smoothed, stage: str, times: int
) -> list[Counter[str]]:
    """Classes of so many noisy copies; each stage has noise of its own."""
    places = [(i, n) for i in range(len(queries)) for n in range(times)]
    counts: list[Counter[str]] = [Counter() for _ in queries]
    for start in range(0, len(places), CHUNK):
        part = places[start : start + CHUNK]
        asked = [_copy(queries[i], how, stage, n) for i, n in part]
        for (i, _), answer in zip(part, model.answer(asked), strict=True):
            counts[i][classes(answer) if isinstance(answer, Answer) else NO_ANSWER] += 1
    return counts


def _copy(query: Query, how: Smoothed, stage: str, number: int) -> Query:
    seed = derive(how.seed, "certificate", stage, query.digest, number)
    return noisy(query.with_defense_seed(seed), how.sigma)
