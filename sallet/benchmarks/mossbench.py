"""MOSSBench (Li et al. 2024): harmless questions about pictures that look dangerous.

Three types: a picture that exaggerates, one that shows something unrelated and dark, one that a
harmless question is read wrongly beside. All 300 should be answered. The paper's refusal rates:
12.3 % of LLaVA-1.5-7B, 6.3 % of GPT-4o.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import Record, keyed, parquet
from sallet.benchmarks.stored import Stored
from sallet.core.image import Image
from sallet.core.sample import Sample


@dataclass(frozen=True, kw_only=True)
class MOSSBench(Stored):
    """For tests only, as its licence says: train on none of it."""

    name = "mossbench"
    licence = "CC-BY-SA-4.0, for tests only"
    attack_class = "over-refusal, of pictures"
    judge = "answered"
    paper_judge = "refusal or not (GPT-4V, and people)"
    hub = "AIcell/MOSSBench"
    patterns: ClassVar[tuple[str, ...]] = ("**/*.parquet", "*.json", "images/**")

    def read(self, folder: Folder) -> list[Sample]:
        """`information.json`, keyed by pid, beside `images`; or the hub's Parquet files."""
        path = folder.maybe("information.json", "data/information.json")
        if path is not None:
            return [
                self._sample(pid, one, folder.image(one.text("image"), ".", "images", "data"))
                for pid, one in keyed(path, ("image", "question", "metadata")).items()
            ]
        files = folder.all("oversensitivity/*.parquet", "**/*.parquet")
        rows = parquet(files or [folder.first("information.json")], ("pid", "question", "metadata"))
        return [
            self._sample(one.text("pid"), one, Image(InParquet(at, "image", row)))
            for one, at, row in rows
        ]

    def _sample(self, pid: str, one: Record, image: Image) -> Sample:
        about: Mapping[str, Any] = one.mapping("metadata")
        if "over" not in about:
            raise one.wrong("metadata", "an object with `over`", about)
        return self.benign(pid, one.text("question"), [image], category=str(about["over"]))
