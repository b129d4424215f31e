"""COCO captions (Chen et al. 2015): five people's captions of each picture; CIDEr and CLIPScore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from sallet.benchmarks.folder import Folder, InParquet
from sallet.benchmarks.reading import Record, document, parquet
from sallet.benchmarks.stored import Stored
from sallet.core.errors import InputError
from sallet.core.image import Image
from sallet.core.sample import Sample

ASK = "Describe this picture in one sentence."


@dataclass(frozen=True, kw_only=True)
class COCO(Stored):
    """`split` is the year's part, such as val2014; `ask` is what is said to each picture."""

    name = "coco-captions"
    licence = "CC-BY-4.0 (captions)"
    attack_class = "captions"
    judge = "caption"
    paper_judge = "caption (CIDEr)"
    hub = "lmms-lab/COCO-Caption"
    patterns: ClassVar[tuple[str, ...]] = ("data/val*.parquet",)

    split: str = "val2014"
    ask: str = ASK
    max_tokens: int = 64

    def read(self, folder: Folder) -> list[Sample]:
        """The official annotations beside the pictures, or the hub's Parquet mirror."""
        path = folder.maybe(
            f"annotations/captions_{self.split}.json", f"captions_{self.split}.json"
        )
        if path is None:
            return self._mirror(folder)
        data = document(path)
        said: dict[int, list[str]] = {}
        try:
            files = {int(one["id"]): str(one["file_name"]) for one in data["images"]}
            for one in data["annotations"]:
                said.setdefault(int(one["image_id"]), []).append(str(one["caption"]).strip())
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(
                f"{path} must hold images with id and file_name, and annotations with image_id and "
                f"caption; it lacks {error}"
            ) from None
        places = (self.split, f"images/{self.split}", "images", ".")
        return [
            self._sample(number, said[number], folder.image(file, *places))
            for number, file in files.items()
            if number in said
        ]

    def _mirror(self, folder: Folder) -> list[Sample]:
        files = folder.all("data/val*.parquet", "*.parquet") or [
            folder.first(f"annotations/captions_{self.split}.json")
        ]
        return [
            self._sample(image_id(one), [str(a) for a in one.list("answer")],
                         Image(InParquet(at, "image", row)))
            for one, at, row in parquet(files, ("question_id", "answer"))
        ]  # fmt: skip

    def _sample(self, number: int, captions: list[str], image: Image) -> Sample:
        return self.benign(f"{number}", self.ask, [image], accepted=captions)


def image_id(one: Record) -> int:
    """The whole number at the end of a picture's name: COCO_val2014_000000391895 is 391895."""
    found = re.search(r"(\d+)(?:\.\w+)?$", one.text("question_id"))
    if found is None:
        raise one.wrong("question_id", "a name that ends in the image's number", one.values)
    return int(found[1])
