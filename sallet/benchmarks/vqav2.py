"""VQAv2 (Goyal et al. 2017): short answers, each question answered by ten people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import document, parquet
from sallet.benchmarks.stored import Stored
from sallet.core.errors import InputError
from sallet.core.image import Image
from sallet.core.sample import Sample

END = " Answer with one word or a short phrase."


@dataclass(frozen=True, kw_only=True)
class VQAv2(Stored):
    """`end` is said after each question; the sample's reference is all ten people's answers."""

    name = "vqav2"
    licence = "CC-BY-4.0 (questions and answers)"
    attack_class = "questions with short answers"
    judge = "vqa"
    paper_judge = "vqa"
    hub = "lmms-lab/VQAv2"
    patterns: ClassVar[tuple[str, ...]] = ("data/validation*.parquet",)

    split: str = "val2014"
    end: str = END
    max_tokens: int = 32

    def read(self, folder: Folder) -> list[Sample]:
        """The official questions and annotations, or the hub's Parquet mirror."""
        asked = folder.maybe(f"v2_OpenEnded_mscoco_{self.split}_questions.json")
        if asked is None:
            return self._mirror(folder)
        answered = folder.first(f"v2_mscoco_{self.split}_annotations.json")
        places = (self.split, f"images/{self.split}", "images", ".")
        made: list[Sample] = []
        try:
            known = {one["question_id"]: one for one in document(answered)["annotations"]}
            for one in document(asked)["questions"]:
                file = f"COCO_{self.split}_{int(one['image_id']):012d}.jpg"
                made.append(
                    self._sample(
                        f"{one['question_id']}", str(one["question"]),
                        known[one["question_id"]], folder.image(file, *places),
                    )
                )  # fmt: skip
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(
                f"{asked} must hold questions with question_id, image_id and question, and "
                f"{answered.name} annotations with question_id and answers; {error} is not there"
            ) from None
        return made

    def _mirror(self, folder: Folder) -> list[Sample]:
        files = folder.all("data/validation*.parquet", "*.parquet") or [
            folder.first(f"v2_OpenEnded_mscoco_{self.split}_questions.json")
        ]
        return [
            self._sample(one.text("question_id"), one.text("question"), one.values,
                         Image(InParquet(at, "image", row)))
            for one, at, row in parquet(files, ("question_id", "question", "answers"))
        ]  # fmt: skip

    def _sample(self, number: str, asked: str, one: Any, image: Image) -> Sample:
        answers = [str(answer["answer"]) for answer in one["answers"]]
        if not answers:
            raise InputError(f"question {number} has no answers")
        ranked = [a for a, count in Counter(answers).most_common() for _ in range(count)]
        return self.benign(
            number,
            asked + self.end,
            [image],
            accepted=ranked,
            reference=answers,
            category=str(one.get("answer_type") or ""),
            prompt=f"image {one.get('image_id', number)}",
        )
