"""JailBreakV-28K (Luo et al. 2024): jailbreak prompts of language models beside pictures.

28,000 rows hold 5,000 prompts, each beside four pictures that mostly have nothing to do with it:
rows of one prompt share a cluster. The table begins with a byte-order mark, and releases lack some
of the pictures: `partial: true` leaves out the rows whose picture is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder
from sallet.benchmarks.reading import table
from sallet.benchmarks.stored import Stored
from sallet.core.sample import Sample

COLUMNS = (
    "id", "jailbreak_query", "redteam_query", "format", "policy", "image_path", "from",
    "selected_mini", "transfer_from_llm",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class JailBreakV(Stored):
    """`mini` is the authors' selection of 280; `format` keeps to one kind of jailbreak."""

    name = "jailbreakv-28k"
    licence = "MIT"
    attack_class = "jailbreak prompts, transferred"
    judge = "rules"
    paper_judge = "llama-guard"
    hub = "JailbreakV-28K/JailBreakV-28k"
    patterns: ClassVar[tuple[str, ...]] = ("JailBreakV_28K/**",)

    mini: bool = False
    format: str = ""
    partial: bool = False

    def read(self, folder: Folder) -> list[Sample]:
        """The whole table; the small one is its rows that are marked so, or a file of its own."""
        whole = ("JailBreakV_28K/JailBreakV_28K.csv", "JailBreakV_28K.csv")
        small = ("JailBreakV_28K/mini_JailBreakV_28K.csv", "mini_JailBreakV_28K.csv")
        own = folder.maybe(*small) if self.mini else None
        made: list[Sample] = []
        for one in table(own or folder.first(*whole), COLUMNS):
            if self.mini and own is None and not one.flag("selected_mini"):
                continue
            if self.format not in ("", one.text("format")):
                continue
            places = (".", "JailBreakV_28K")
            if self.partial and not folder.has(one.text("image_path"), *places):
                continue
            made.append(
                self.harmful(
                    one.text("id"),
                    one.text("jailbreak_query"),
                    [folder.image(one.text("image_path"), *places)],
                    about=[one.text("redteam_query")],
                    category=one.text("policy"),
                    prompt=one.text("jailbreak_query"),
                )
            )
        return made
