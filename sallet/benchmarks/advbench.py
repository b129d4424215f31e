"""AdvBench (Zou et al. 2023): 520 harmful behaviours in words, each with a wanted beginning."""

from __future__ import annotations

from dataclasses import dataclass

from sallet.benchmarks.folder import Folder
from sallet.benchmarks.reading import table
from sallet.benchmarks.stored import Stored
from sallet.core.sample import Sample


@dataclass(frozen=True, kw_only=True)
class AdvBench(Stored):
    """`harmful_behaviors.csv`, as it lies in the authors' release."""

    name = "advbench"
    licence = "MIT"
    attack_class = "harm in the words"
    judge = "rules"
    paper_judge = "keywords"

    def read(self, folder: Folder) -> list[Sample]:
        """One behaviour a row; its target is what a suffix is optimised towards."""
        path = folder.first("harmful_behaviors.csv", "data/advbench/harmful_behaviors.csv")
        return [
            self.harmful(f"{one.number}", one.text("goal"), begins=one.text("target"))
            for one in table(path, ("goal", "target"))
        ]
