"""POPE (Li et al. 2023): whether a thing is in a picture, yes or no.

`random`, `popular` and `adversarial` choose the things that are not there. The files are called
`.json` and hold one object a line; relatives of them hold lists, and both are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import Record, lines, parquet
from sallet.benchmarks.stored import Stored
from sallet.core.errors import InputError, RecipeError
from sallet.core.image import Image
from sallet.core.sample import Sample

PARTS = ("random", "popular", "adversarial")
END = " Answer with yes or no."


@dataclass(frozen=True, kw_only=True)
class POPE(Stored):
    """`part` is one of the three; `corpus` the pictures' (coco, aokvqa or gqa); `end` is said after
    each question."""

    name = "pope"
    licence = "MIT"
    attack_class = "hallucination"
    judge = "pope"
    paper_judge = "pope-official"
    hub = "lmms-lab/POPE"
    patterns: ClassVar[tuple[str, ...]] = ("data/*.parquet", "Full/*.parquet")

    part: str = "adversarial"
    corpus: str = "coco"
    end: str = END
    max_tokens: int = 64

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise RecipeError(f"{self.name} has the parts {', '.join(PARTS)}, not {self.part!r}")

    def read(self, folder: Folder) -> list[Sample]:
        """One part: 3,000 questions as published, half of them to be answered yes."""
        name = f"{self.corpus}_pope_{self.part}"
        places = [f"{dir}{name}.{end}" for dir in ("", "output/coco/") for end in ("json", "jsonl")]
        path = folder.maybe(*places)
        if path is None:
            return self._mirror(folder, places[0])
        images = (".", "images", "val2014", "images/val2014")
        return [
            self._sample(one, one.text("text"), one.text("label"),
                         folder.image(one.text("image"), *images), one.text("image"))
            for one in lines(path, ("question_id", "image", "text", "label"))
        ]  # fmt: skip

    def _mirror(self, folder: Folder, wanted: str) -> list[Sample]:
        files = folder.all("Full/*.parquet", "data/*.parquet") or [folder.first(wanted)]
        rows = parquet(files, ("question_id", "question", "answer", "image_source", "category"))
        return [
            self._sample(one, one.text("question"), one.text("answer"),
                         Image(InParquet(at, "image", row)), one.text("image_source"))
            for one, at, row in rows
            if one.text("category") == self.part
        ]  # fmt: skip

    def _sample(self, one: Record, asked: str, label: str, image: Image, shown: str) -> Sample:
        right = label.strip().lower()
        if right not in ("yes", "no"):
            raise InputError(f"{one.path}, row {one.number}: the label is yes or no, not {label!r}")
        return self.benign(
            f"{self.part}/{one.text('question_id')}",
            asked + self.end,
            [image],
            accepted=[right],
            wrong="no" if right == "yes" else "yes",
            category=right,
            prompt=shown,
        )
