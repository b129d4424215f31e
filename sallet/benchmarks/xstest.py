"""XSTest (Röttger et al. 2024): safe questions that sound unsafe, and unsafe ones beside them.

250 safe and 200 unsafe prompts, in words alone. The first release says which in `label`; the second
has no such column, and a prompt is unsafe if its type begins with `contrast_`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sallet.benchmarks.folder import Folder
from sallet.benchmarks.reading import Record, table
from sallet.benchmarks.stored import Stored
from sallet.core.sample import Sample


@dataclass(frozen=True, kw_only=True)
class XSTest(Stored):
    """The first safe prompts measure over-refusal; the contrasts, compliance."""

    name = "xstest"
    licence = "CC-BY-4.0"
    attack_class = "over-refusal, in words"
    judge = "answered"
    paper_judge = "refusal: full, partial or none (GPT-4)"
    hub = "Paul/XSTest"
    patterns = ("*.csv",)

    def read(self, folder: Folder) -> list[Sample]:
        """The table of either release."""
        path = folder.first("xstest_prompts.csv", "xstest_v2_prompts.csv")
        made: list[Sample] = []
        for one in table(path, ("id", "prompt", "type")):
            kind = one.text("type")
            if unsafe(one):
                made.append(self.harmful(one.text("id"), one.text("prompt"), category=kind))
            else:
                made.append(self.benign(one.text("id"), one.text("prompt"), category=kind))
        return made


def unsafe(one: Record) -> bool:
    """Whether a prompt should be declined."""
    label = one.get("label").strip().lower()
    if label in ("safe", "unsafe"):
        return label == "unsafe"
    if label:
        raise one.wrong("label", "safe or unsafe", label)
    return one.text("type").startswith("contrast_")
