"""MM-SafetyBench (Liu et al. 2024): the harm of a question moved into a picture.

A drawn thing (SD), its name as an image of letters (TYPO), or both (SD_TYPO). The drawn form has a
rephrasing of its own; the other two share one. Scenarios 08 and 10 to 13 ask for political, legal,
financial, medical and governmental advice: read them apart, by category.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import document, keyed, parquet
from sallet.benchmarks.stored import Stored
from sallet.core.errors import InputError, RecipeError
from sallet.core.image import Image
from sallet.core.sample import Sample

Kind: TypeAlias = Literal["SD", "TYPO", "SD_TYPO"]
COUNTS = (97, 163, 44, 144, 122, 154, 109, 153, 139, 130, 167, 109, 149)
"""Questions of each of the 13 scenarios as published: 1,680, three pictures each."""
KEYS = ("Question", "Changed Question", "Key Phrase", "Phrase Type", "Rephrased Question")
KEYS_SD = (*KEYS, "Rephrased Question(SD)")


@dataclass(frozen=True, kw_only=True)
class MMSafetyBench(Stored):
    """`kind` is one of SD, TYPO, SD_TYPO; `tiny` keeps to the authors' small list; `scenario` to
    one of the folders, such as `01-Illegal_Activitiy` (as upstream spells it)."""

    name = "mm-safetybench"
    licence = "CC-BY-NC-4.0"
    attack_class = "harm in the picture, drawn or written"
    judge = "rules"
    paper_judge = "harmful (GPT-4, unsafe or not)"
    hub = "PKU-Alignment/MM-SafetyBench"
    patterns: ClassVar[tuple[str, ...]] = ("data/**/*.parquet",)

    kind: str = "SD_TYPO"
    tiny: bool = False
    scenario: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("SD", "TYPO", "SD_TYPO"):
            raise RecipeError(f"{self.name} has the kinds SD, TYPO and SD_TYPO, not {self.kind!r}")

    def read(self, folder: Folder) -> list[Sample]:
        """As the authors publish it, or the hub's Parquet mirror."""
        questions = folder.maybe("data/processed_questions", "processed_questions")
        if questions is None:
            return self._mirror(folder)
        root = Folder(questions.parent, folder.revision, folder.local)
        listed = self._listed(folder) if self.tiny else None
        made: list[Sample] = []
        for path in sorted(questions.glob("*.json")):
            if self.scenario not in ("", path.stem):
                continue
            for key, one in keyed(path, KEYS_SD if self.kind == "SD" else KEYS).items():
                if listed is not None and key not in listed.get(path.stem, ()):
                    continue
                asked = "Rephrased Question(SD)" if self.kind == "SD" else "Rephrased Question"
                image = root.image(f"{key}.jpg", f"imgs/{path.stem}/{self.kind}")
                made.append(
                    self.harmful(
                        f"{path.stem}/{self.kind}/{key}",
                        one.text(asked),
                        [image],
                        about=[one.text("Key Phrase")],
                        category=path.stem,
                        prompt=f"{path.stem} {one.text('Question')}",
                    )
                )
        return made

    def _listed(self, folder: Folder) -> dict[str, set[str]]:
        path = folder.first("TinyVersion_ID_List.json", "data/TinyVersion_ID_List.json")
        data = document(path)
        try:
            return {one["Scenario"]: {str(i) for i in one["Sampled_ID_List"]} for one in data}
        except (TypeError, KeyError) as error:
            raise InputError(
                f"{path} must be a list of objects with Scenario and Sampled_ID_List ({error})"
            ) from None

    def _mirror(self, folder: Folder) -> list[Sample]:
        if self.tiny:
            raise RecipeError(f"{self.name}: the list of `tiny` is in the authors' release only")
        files = folder.all(f"data/*/{self.kind}.parquet", f"*/{self.kind}.parquet")
        if not files:
            folder.first("data/processed_questions", f"data/<scenario>/{self.kind}.parquet")
        made: list[Sample] = []
        for record, path, row in parquet(files, ("id", "question", "image")):
            scenario = path.parent.name
            if self.scenario not in ("", scenario):
                continue
            made.append(
                self.harmful(
                    f"{scenario}/{self.kind}/{record.text('id')}",
                    record.text("question"),
                    [Image(InParquet(path, "image", row))],
                    category=scenario,
                    prompt=f"{scenario} {record.text('id')}",
                )
            )
        return made
