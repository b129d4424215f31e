"""MIS (Ding et al. 2025): two pictures that are harmful only together."""

from __future__ import annotations

from dataclasses import dataclass

from sallet.benchmarks.folder import Folder
from sallet.benchmarks.reading import lines
from sallet.benchmarks.stored import Stored
from sallet.core.errors import RecipeError
from sallet.core.sample import Sample

PARTS = ("easy", "hard", "real")


@dataclass(frozen=True, kw_only=True)
class MIS(Stored):
    """`part` is easy, hard or real, or empty for all three."""

    name = "mis"
    licence = "not stated"
    attack_class = "harm in two pictures together"
    judge = "rules"
    paper_judge = "three-way (GPT-4o)"

    part: str = ""

    def __post_init__(self) -> None:
        if self.part not in ("", *PARTS):
            raise RecipeError(f"{self.name} has the parts {', '.join(PARTS)}, not {self.part!r}")

    def read(self, folder: Folder) -> list[Sample]:
        """`mis_<part>.json`: a question and the paths of two pictures."""
        made: list[Sample] = []
        for part in [self.part] if self.part else PARTS:
            for one in lines(
                folder.first(f"mis_{part}.json", f"data/mis_{part}.json"),
                ("question", "image_path1", "image_path2"),
            ):
                images = [
                    folder.image(one.text(f"image_path{i}"), ".", "data", "images") for i in (1, 2)
                ]
                made.append(
                    self.harmful(
                        f"{part}/{one.get('id') or one.number}",
                        one.text("question"),
                        images,
                        category=one.get("category") or part,
                    )
                )
        return made
