"""VLGuard (Zong et al. 2024): three subsets of one list of pictures.

*unsafes*: an unsafe picture and its one instruction; *safe_unsafes*: a safe picture and an unsafe
instruction; *safe_safes*: a safe picture and a safe instruction, which measures over-refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder
from sallet.benchmarks.reading import Record, lines
from sallet.benchmarks.stored import Stored
from sallet.core.errors import InputError, RecipeError
from sallet.core.sample import Sample

SUBSETS = ("unsafes", "safe_unsafes", "safe_safes")
COLUMNS = ("id", "image", "safe", "instr-resp")


@dataclass(frozen=True, kw_only=True)
class VLGuard(Stored):
    """`subset` is one of the three, or empty for all; `split` is test or train."""

    name = "vlguard"
    licence = "not stated"
    attack_class = "harm in the picture or in the words"
    judge = "answered"
    paper_judge = "keywords"
    hub = "ys-zong/VLGuard"
    patterns: ClassVar[tuple[str, ...]] = ("*.json", "test/**", "train/**", "*.zip")

    subset: str = ""
    split: str = "test"

    def __post_init__(self) -> None:
        if self.subset not in ("", *SUBSETS):
            raise RecipeError(f"{self.name} has the subsets {', '.join(SUBSETS)}")
        if self.split not in ("test", "train"):
            raise RecipeError(f"{self.name} has the splits test and train, not {self.split!r}")

    def read(self, folder: Folder) -> list[Sample]:
        """`test.json` and the unpacked `test` folder."""
        path = folder.first(f"{self.split}.json", f"data/{self.split}.json")
        packed = folder.maybe(f"{self.split}.zip", f"data/{self.split}.zip")
        if packed and not folder.maybe(self.split, f"data/{self.split}"):
            raise InputError(f"{packed} is still packed; unpack it where it lies")
        return [s for one in lines(path, COLUMNS) for s in self._samples(folder, one)]

    def _samples(self, folder: Folder, one: Record) -> list[Sample]:
        places = (self.split, f"data/{self.split}", ".")
        image = folder.image(one.text("image"), *places)
        made: list[Sample] = []
        for turn in one.list("instr-resp"):
            if not isinstance(turn, dict):
                raise one.wrong("instr-resp", "a list of objects", turn)
            known = [(kind, turn[kind]) for kind in KINDS if kind in turn]
            if not known:
                raise one.wrong("instr-resp", f"objects with {', '.join(KINDS)}", turn)
            kind, asked = known[0]
            subset = "unsafes" if not one.flag("safe") else KINDS[kind]
            if self.subset not in ("", subset):
                continue
            identity = f"{subset}/{one.text('id')}"
            category = one.get("harmful_category") or subset
            if subset == "safe_safes":
                made.append(self.benign(identity, asked, [image], category=subset))
            else:
                sample = self.harmful(identity, asked, [image], category=category, prompt=identity)
                made.append(sample)
        return made


KINDS = {
    "instruction": "unsafes",
    "safe_instruction": "safe_safes",
    "unsafe_instruction": "safe_unsafes",
}
