"""CLIPScore and RefCLIPScore (Hessel et al. 2021): how near a caption is to its picture.

CLIPScore is 2.5 times the cosine of an encoder's vectors of the picture and of the caption after
"A photo depicts", at least 0. RefCLIPScore is its harmonic mean with the cosine to the nearest of
people's captions. The paper's encoder is CLIP ViT-B/32; marks of another one are on another scale.
The picture is the one that the model was shown, so of an attacked row it is the hostile one.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sallet.core.errors import UsageError
from sallet.core.goal import Goal, Outcome, Verdict
from sallet.core.query import Answer, Failure, Query
from sallet.judges.official import caption
from sallet.judges.official.totals import Judged, Total, ratio
from sallet.judges.reading import read
from sallet.listed import MODELS

if TYPE_CHECKING:
    from sallet.models.towers import Tower

WEIGHT: Final = 2.5
PROMPT: Final = "A photo depicts {text}"


@dataclass(eq=False)
class ClipScore:
    """Right or wrong as `caption` says; the mark is CLIPScore, against the nearest reference.

    `model` is an encoder: `world/clip`, a folder, or a hub name such as
    `openai/clip-vit-base-patch32`.
    """

    model: str = ""
    _tower: Tower | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """`clipscore@world/clip`."""
        return f"clipscore@{self.model}" if self.model else "clipscore"

    def check(self) -> None:
        """Raises where no encoder is named, before anything is asked."""
        if not self.model:
            raise UsageError(
                "the judge 'clipscore' looks with an encoder: say which, e.g. clipscore@world/clip "
                "or clipscore@openai/clip-vit-base-patch32"
            )

    def judge(self, query: Query, answer: Answer | Failure, goal: Goal) -> Verdict:
        """One caption; `judge_all` embeds many at once."""
        if isinstance(answer, Failure):
            return caption.Caption().judge(query, answer, goal)
        return self.judge_all([(query, answer, goal)])[0]

    def judge_all(self, items: Sequence[tuple[Query, Answer, Goal]]) -> list[Verdict]:
        """A verdict for each, in order; without a picture or a word there is no mark."""
        plain = [caption.Caption().judge(*item) for item in items]
        marked = [
            number
            for number, (query, answer, goal) in enumerate(items)
            if goal.kind == "untargeted" and query.images and read(answer.text).text.strip()
            and plain[number].outcome is not Outcome.UNASSESSED
        ]  # fmt: skip
        told = [replace(verdict, score=None) for verdict in plain]
        marks = self._marks([items[number] for number in marked])
        for number, (score, nearest) in zip(marked, marks, strict=True):
            told[number] = replace(told[number], score=score, against=nearest)
        return told

    def _marks(self, items: Sequence[tuple[Query, Answer, Goal]]) -> list[tuple[float, float]]:
        """CLIPScore, and the cosine to the nearest of people's captions."""
        import torch

        if not items:
            return []
        tower = self._encoder()
        said = [read(answer.text).text.strip() for _, answer, _ in items]
        texts = [*dict.fromkeys([*said, *(name for *_, goal in items for name in goal.names)])]
        with torch.no_grad():
            shown = tower.embed_images(
                [torch.tensor(query.images[0].pixels()).permute(2, 0, 1) for query, *_ in items]
            )
            rows = tower.embed_texts([PROMPT.format(text=text) for text in texts])
        vectors = dict(zip(texts, rows, strict=True))
        return [
            (
                WEIGHT * max(0.0, float(picture @ vectors[text])),
                max((float(vectors[text] @ vectors[name]) for name in goal.names), default=0.0),
            )
            for picture, text, (*_, goal) in zip(shown, said, items, strict=True)
        ]

    def _encoder(self) -> Tower:
        if self._tower is None:
            self.check()
            self._tower = _opened(self.model)
        return self._tower


def totals(rows: Sequence[Judged]) -> Sequence[Total]:
    """CLIPScore and RefCLIPScore over the rows that have a mark, beside CIDEr-D over all."""

    def clip(rows: Sequence[Judged]) -> float | None:
        marks = [row.score for row in rows if row.score is not None]
        return ratio(sum(marks), len(marks))

    def by_reference(rows: Sequence[Judged]) -> float | None:
        marks = [
            harmonic(row.score, max(0.0, row.against))
            for row in rows
            if row.score is not None and row.against is not None and row.reference
        ]
        return ratio(sum(marks), len(marks))

    figures = Total("clipscore", clip, highest=WEIGHT), Total("ref_clipscore", by_reference)
    return (*figures, *caption.totals(rows))


def harmonic(one: float, other: float) -> float:
    """The harmonic mean; 0 where either is."""
    return 2 * one * other / (one + other) if one > 0 and other > 0 else 0.0


def _opened(name: str) -> Tower:
    """A shipped encoder by its name, or a checkpoint."""
    if name in MODELS:
        module, _, attribute = MODELS[name].target.partition(":")
        return getattr(importlib.import_module(module), attribute)(name)
    from sallet.models.towers import Tower

    return Tower.from_pretrained(name)
