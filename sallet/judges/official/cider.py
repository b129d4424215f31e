"""CIDEr-D (Vedantam et al. 2015), as the captions' own script computes it.

For n-grams of 1 to 4 words: the cosine of TF-IDF vectors, the candidate's counts clipped to the
reference's, times a Gaussian of the difference in length (counted in bigrams, as the script does);
the mean over references and n, times ten. The document frequency of an n-gram is the
number of pictures of which any reference holds it, over the pictures that are scored together: the
figure of a sample of a corpus is not that of the corpus.

The script's tokenizer is Stanford's PTB one, which needs Java. Ours is `tokens`: lower case, words
with their apostrophes parted as PTB does it ("dog's" is "dog" and "'s"), punctuation dropped.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

N: Final = 4
SIGMA: Final = 6.0
TOKENIZER: Final = "sallet's own, in the manner of PTB without punctuation"
Grams: TypeAlias = Mapping[tuple[str, ...], int]
_WORD: Final = re.compile(r"n't\b|[^\W_]+(?:[-.][^\W_]+)*|'(?:s|re|ve|ll|d|m)\b")
_NOT: Final = re.compile(r"(?<=\w)n't\b")
_ENDS: Final = re.compile(r"(?<=\w)'(?=(?:s|re|ve|ll|d|m)\b)")


def tokens(caption: str) -> list[str]:
    """The words of a caption."""
    text = caption.lower().replace("\u2019", "'")
    return _WORD.findall(_ENDS.sub(" '", _NOT.sub(" n't", text)))


def grams(words: Sequence[str]) -> Grams:
    """How often each n-gram of one to four words is there."""
    return Counter(
        tuple(words[i : i + n]) for n in range(1, N + 1) for i in range(len(words) - n + 1)
    )


class Corpus:
    """The document frequencies of the pictures that are scored together."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.references = [[grams(tokens(one)) for one in own] for own in references]
        seen: Counter[tuple[str, ...]] = Counter()
        for own in self.references:
            seen.update({gram for one in own for gram in one})
        self._seen = seen
        self._documents = math.log(max(1, len(references)))

    def score(self, candidate: str, number: int) -> float:
        """CIDEr-D of a candidate for the picture of this number, from 0 to 10."""
        said = self._vector(grams(tokens(candidate)))
        marks = [self._alike(said, self._vector(one)) for one in self.references[number]]
        return 10 * sum(marks) / len(marks) if marks else 0.0

    def _vector(self, counts: Grams) -> _Vector:
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(N)]
        for gram, count in counts.items():
            rarity = self._documents - math.log(max(1, self._seen[gram]))
            weights[len(gram) - 1][gram] = count * rarity
        norms = [math.sqrt(sum(w * w for w in own.values())) for own in weights]
        return _Vector(weights, norms, sum(c for g, c in counts.items() if len(g) == 2))

    def _alike(self, said: _Vector, there: _Vector) -> float:
        gap = math.exp(-((said.length - there.length) ** 2) / (2 * SIGMA**2))
        marks = [0.0] * N
        for n in range(N):
            clipped = sum(
                min(weight, there.weights[n][gram]) * there.weights[n][gram]
                for gram, weight in said.weights[n].items()
                if gram in there.weights[n]
            )
            norm = said.norms[n] * there.norms[n]
            marks[n] = gap * (clipped / norm if norm else clipped)
        return sum(marks) / N


class _Vector:
    def __init__(
        self, weights: list[dict[tuple[str, ...], float]], norms: list[float], length: int
    ) -> None:
        self.weights, self.norms, self.length = weights, norms, length


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """Each candidate's CIDEr-D; the corpus's figure is their mean."""
    corpus = Corpus(references)
    return [corpus.score(one, i) for i, one in enumerate(candidates)]
