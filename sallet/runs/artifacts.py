"""Images by their digest, and the hostile queries that were made of them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sallet.core.errors import InputError, StoreError
from sallet.core.image import Image
from sallet.core.protocols import Hostile
from sallet.core.query import Message, Part, Query
from sallet.media.encode import encode
from sallet.media.file import ImageFile
from sallet.runs import files
from sallet.runs.writer import Writer

NOTHING: Mapping[str, Image] = {}
SMALL = 256 * 256
"""Pictures of up to so many pixels are stored as they are: packing one takes longer than all else
that a row costs, and saves a third of 200 kB at most where it shows a photograph."""


@dataclass(frozen=True)
class Batch:
    """Hostile queries that were made together, as read back from their files."""

    hostiles: tuple[Hostile, ...]
    seconds: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Artifacts:
    """`<digest>.png` for every image, `hostile/<key>.json` for every batch of an attack.

    Files are written in the background; `settle` says that they are there.
    """

    folder: Path
    writer: Writer = field(default_factory=Writer, compare=False, repr=False)
    _put: set[str] = field(default_factory=set[str], compare=False, repr=False)

    def path(self, digest: str) -> Path:
        """Where the image of this digest is."""
        return self.folder / f"{digest}.png"

    def save(self, image: Image) -> str:
        """Has the image written once; returns its digest."""
        if image.digest in self._put:
            return image.digest
        self._put.add(image.digest)
        path = self.path(image.digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = image.size
            large = height * width > SMALL
            self.writer.put(path, lambda: encode(image, pack=large))
        return image.digest

    def settle(self) -> None:
        """Waits until every file that was saved is durably there; an error if one cannot be."""
        self.writer.settle()

    def lend(self, other: Artifacts, digests: Iterable[str]) -> None:
        """Puts these images into another run, too, without a second copy where the disk can."""
        other.folder.mkdir(parents=True, exist_ok=True)
        for digest in digests:
            here, there = self.path(digest), other.path(digest)
            if not here.exists() or there.exists():
                continue
            try:
                os.link(here, there)
            except OSError:
                files.replace(there, here.read_bytes())

    def load(self, digest: str) -> Image:
        """The image as its file has it, through the stage that a guard puts every upload through.

        A file with anything in it but the pixels that were saved is not the file that was saved.
        """
        self.settle()
        try:
            read = ImageFile(self.path(digest)).canonical()
        except InputError as error:
            raise StoreError(f"cannot read an image of this run, start it anew: {error}") from None
        if read.digest != digest or read.flags:
            raise StoreError(f"{self.path(digest)} is not the image that was saved; start anew")
        return read.image

    def save_batch(self, key: str, batch: Batch, queries: Sequence[Query]) -> Batch:
        """Has the images written, then the batch: a batch that is there has all of its images.

        Returns it as read back from those files. An image that `queries`, of which it was made,
        show already is not read: one of the same digest is the same 8-bit picture.
        """
        items = [
            {
                "turns": [_turn(message) for message in hostile.query.messages],
                "start": _number(hostile.start),
                "end": _number(hostile.end),
                "steps": hostile.steps,
                "gradient": _number(hostile.gradient),
                "asks": hostile.asks,
                "looks": hostile.looks,
                "eot": hostile.eot,
                "curve": [_number(loss) for loss in hostile.curve],
                "by": hostile.by,
            }
            for hostile in batch.hostiles
        ]
        data = {"seconds": batch.seconds, "flags": list(batch.flags), "items": items}
        text = json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
        for hostile in batch.hostiles:
            for image in hostile.query.images:
                self.save(image)
        path = self._batch(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writer.put_after(path, text)
        shown = {i.digest: i for query in queries for i in query.images if i.exact}
        return self._read(text, queries, shown)

    def load_batch(self, key: str, queries: Sequence[Query]) -> Batch | None:
        """The batch as its files have it, on the settings of the queries that it was made of."""
        path = self._batch(key)
        return self._read(path.read_bytes(), queries, NOTHING) if path.exists() else None

    def _read(self, text: bytes, queries: Sequence[Query], shown: Mapping[str, Image]) -> Batch:
        data = json.loads(text)
        hostiles = tuple(
            Hostile(
                replace(query, messages=tuple(self._message(t, shown) for t in item.pop("turns"))),
                curve=tuple(item.pop("curve", ())),
                **item,
            )
            for query, item in zip(queries, data["items"], strict=True)
        )
        return Batch(hostiles, data["seconds"], tuple(data["flags"]))

    def _batch(self, key: str) -> Path:
        return self.folder / "hostile" / f"{key}.json"

    def _message(self, turn: dict[str, Any], shown: Mapping[str, Image]) -> Message:
        parts = [
            part if isinstance(part, str) else shown.get(part["image"]) or self.load(part["image"])
            for part in turn["parts"]
        ]
        return Message(turn["role"], tuple(parts))


def _turn(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> str | dict[str, str]:
    if isinstance(part, str):
        return part
    if isinstance(part, Image):
        return {"image": part.digest}
    raise InputError("a hostile query with audio cannot be stored; attack images or text")


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
