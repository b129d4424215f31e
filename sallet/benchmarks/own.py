r"""A table of one's own: CSV, TSV, JSON lines or a JSON list, one question a row.

| column | |
|---|---|
| `question` | what is asked |
| `image` | a path beside the table; several with `;` between them; may be empty |
| `answer` | the right answers, `|` between them; may be empty |
| `harmful` | true where the question should be declined; `false` if left out |
| `names` | what a harmful answer would name, `\|` between them; may be left out |
| `id`, `category`, `cluster`, `wrong` | may be left out |
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sallet.benchmarks.folder import Folder, stamp
from sallet.benchmarks.reading import Record, lines, table
from sallet.benchmarks.stored import Stored, cluster
from sallet.core.errors import InputError, UsageError
from sallet.core.sample import Sample

COLUMNS: Final = (
    "question", "image", "answer", "harmful", "names", "wrong", "id", "category", "cluster",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Own(Stored):
    """`path` is the table; `title` is what the benchmark is called in its samples' ids."""

    name = "own"
    licence = "the owner's"
    attack_class = "as the table says"
    judge = "answered"
    paper_judge = "none"

    title: str = ""

    def samples(self, limit: int | None, seed: int) -> list[Sample]:
        """As any other; the revision is the table's digest."""
        path = Path(self.path).expanduser()
        if not self.path:
            raise UsageError(f"{self.name} needs a `path`: a CSV, TSV, JSONL or JSON table")
        if not path.is_file():
            raise InputError(f"{self.name}: there is no table {self.path}")
        whole = replace(self, path=str(path.parent), revision=stamp([path]), title=path.name)
        return super(Own, whole).samples(limit, seed)

    def read(self, folder: Folder) -> list[Sample]:
        """Every row."""
        path = folder.first(self.title)
        end = path.suffix.lower()
        if end in (".csv", ".tsv"):
            rows = table(path, ["question"], "\t" if end == ".tsv" else ",")
        else:
            rows = lines(path, ["question"])
        if not rows:
            raise InputError(f"{path} has no row; one question a row")
        _spelt(path, {str(name) for one in rows for name in one.values})
        return [self._sample(folder, one) for one in rows]

    def _sample(self, folder: Folder, one: Record) -> Sample:
        identity = one.get("id") or f"{one.number}"
        files = [name.strip() for name in one.get("image").split(";")]
        images = [folder.image(name) for name in files if name]
        harmful = "harmful" in one.values and one.get("harmful") != "" and one.flag("harmful")
        category, group = one.get("category"), one.get("cluster")
        if harmful:
            about = _parts(one.get("names"))
            sample = self.harmful(
                identity, one.text("question"), images, about=about, category=category
            )
        else:
            sample = self.benign(
                identity, one.text("question"), images, accepted=_parts(one.get("answer")),
                wrong=one.get("wrong"), category=category,
            )  # fmt: skip
        return replace(sample, cluster=cluster(group)) if group else sample


def _spelt(path: Path, found: set[str]) -> None:
    """A column that nobody reads is fine, but not one that was meant to be read."""
    absent = [name for name in COLUMNS if name not in found]
    for name in sorted(found.difference(COLUMNS)):
        for near in difflib.get_close_matches(name.strip().lower(), absent, n=1, cutoff=0.8):
            raise InputError(
                f"{path}: the column {name!r} would not be read; call it {near!r} if that is "
                "what it is, or something else if not"
            )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]
