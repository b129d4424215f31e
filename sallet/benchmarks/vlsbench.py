"""VLSBench (Hu et al. 2024): harm that shows in the picture and leaks nowhere into the words.

The paper's judge tells apart refusing, warning and complying; keyword lists do not fit it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import Record, lines, parquet
from sallet.benchmarks.stored import Stored
from sallet.core.image import Image
from sallet.core.sample import Sample

COLUMNS = (
    "instruction_id", "instruction", "image_path", "category", "sub_category", "source",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class VLSBench(Stored):
    """`category` keeps to one of the paper's categories."""

    name = "vlsbench"
    licence = "Apache-2.0"
    attack_class = "harm in the picture alone"
    judge = "rules"
    paper_judge = "three-way (GPT-4o)"
    hub = "Foreshhh/vlsbench"
    patterns: ClassVar[tuple[str, ...]] = ("*.json", "imgs/**", "images/**", "**/*.parquet")

    category: str = ""

    def read(self, folder: Folder) -> list[Sample]:
        """`data.json` beside its pictures, or the hub's Parquet files."""
        path = folder.maybe("data.json", "vlsbench.json")
        if path is not None:
            rows = [
                (one, folder.image(one.text("image_path"), ".", "imgs", "images"))
                for one in lines(path, COLUMNS)
            ]
        else:
            files = folder.all("data/*.parquet", "**/*.parquet") or [folder.first("data.json")]
            rows = [
                (one, Image(InParquet(at, "image", row)))
                for one, at, row in parquet(files, (*COLUMNS, "image"))
            ]
        return [
            self._sample(one, image)
            for one, image in rows
            if self.category in ("", one.text("category"))
        ]

    def _sample(self, one: Record, image: Image) -> Sample:
        return self.harmful(
            one.text("instruction_id"),
            one.text("instruction"),
            [image],
            about=[one.text("sub_category")],
            category=one.text("category"),
        )
