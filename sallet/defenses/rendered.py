"""Words in a picture, read by a real reader (tesseract): a screen against written instructions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sallet.core.errors import UsageError
from sallet.core.image import Image
from sallet.core.protocols import Gradient, Via
from sallet.core.query import Answer, Query, refusal
from sallet.media.encode import encode

PATIENCE = 20.0  # seconds for one picture
_WORD, _CONFIDENCE, _TEXT = "5", 10, 11  # of tesseract's table: level, and columns


@dataclass(frozen=True)
class Words:
    """How many words of at least `letters` letters tesseract is sure of, in each picture."""

    letters: int
    sure: float
    language: str
    name: str = "words"

    def __call__(self, items: Sequence[Image]) -> list[int]:
        """One count for each picture."""
        return [len(self.of(image)) for image in items]

    def of(self, image: Image) -> list[str]:
        """The words themselves."""
        program = shutil.which("tesseract")
        if program is None:
            raise UsageError("rendered words are read by tesseract, which is not here; install it")
        words = [program, "stdin", "stdout", "-l", self.language, "--psm", "11", "tsv"]
        done = subprocess.run(
            words,
            input=encode(image),
            capture_output=True,
            timeout=PATIENCE,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            check=True,
        )
        rows = [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]
        return [
            row[_TEXT].strip()
            for row in rows
            if len(row) > _TEXT
            and row[0] == _WORD
            and float(row[_CONFIDENCE]) >= self.sure
            and sum(c.isalpha() for c in row[_TEXT]) >= self.letters
        ]


@dataclass(frozen=True)
class RenderedWords:
    """Refuses a picture with more than `threshold` readable words.

    FigStep's numbered list is a page of words; a street sign is few. Nothing is differentiable
    here, and an attacker who knows it writes what tesseract does not read.
    """

    threshold: float = 6
    letters: int = 3
    sure: float = 50
    language: str = "eng"
    name: str = "rendered-words"
    gradient: ClassVar[Gradient] = "none"
    stochastic: ClassVar[bool] = False

    async def guard(self, query: Query, via: Via) -> Query | Answer:
        if not query.images:
            return query
        reader = Words(self.letters, self.sure, self.language)
        counts = await via.batch(reader, query.images)
        return refusal(self.name) if await via.decide(max(counts) - self.threshold) else query
