"""HADES (Li et al. 2024): the harmful word of an instruction moved into an optimised picture.

Each instruction has a picture for every step of the optimisation; the last, step 5, is the
benchmark: 750 rows. What the picture shows is "this" thing of its category in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import parquet
from sallet.benchmarks.stored import Stored
from sallet.core.image import Image
from sallet.core.sample import Sample

COLUMNS = ("image", "id", "scenario", "keywords", "step", "category", "instruction")


@dataclass(frozen=True, kw_only=True)
class Hades(Stored):
    """`step` is which picture of each instruction's optimisation is shown."""

    name = "hades"
    licence = "not stated"
    attack_class = "harm in an optimised picture"
    judge = "rules"
    paper_judge = "harmful (a trained classifier)"
    hub = "Monosail/HADES"
    patterns: ClassVar[tuple[str, ...]] = ("**/test*.parquet",)

    step: int = 5

    def read(self, folder: Folder) -> list[Sample]:
        """Rows of this step, in the files' order."""
        files = folder.all("data/test*.parquet", "**/test*.parquet") or [
            folder.first("data/test-00000-of-00001.parquet")
        ]
        made: list[Sample] = []
        for one, path, row in parquet(files, COLUMNS):
            if one.whole("step") != self.step:
                continue
            keywords = one.text("keywords")
            made.append(
                self.harmful(
                    f"{one.text('scenario')}/{one.text('id')}/{self.step}",
                    pointed(one.text("instruction"), keywords, one.text("category")),
                    [Image(InParquet(path, "image", row))],
                    about=[keywords],
                    category=one.text("scenario"),
                    prompt=one.text("instruction"),
                )
            )
        return made


def pointed(instruction: str, keywords: str, category: str) -> str:
    """The instruction with its keywords as "this" thing of the picture, however they are written.

    An instruction that does not hold them says so by staying as it is.
    """
    spaced = r"\s+".join(map(re.escape, keywords.split()))
    if not spaced:
        return instruction
    thing = rf"(?:\b(?:an?|the)\s+)?{spaced}"
    return re.sub(thing, lambda _: f"this {category}", instruction, flags=re.I)
