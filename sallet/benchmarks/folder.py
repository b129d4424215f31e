"""Where a benchmark lies: a local folder, or a data set of the hub that is fetched into one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sallet.core.errors import InputError, MediaError, UsageError
from sallet.core.image import Image, Pixels
from sallet.media.canonical import canonical
from sallet.media.file import ImageFile
from sallet.media.limits import LOCAL


@dataclass(frozen=True)
class Folder:
    """A benchmark's files; `revision` is the hub's commit, or a digest of what was read."""

    root: Path
    revision: str
    local: bool

    def first(self, *names: str) -> Path:
        """The first of these that is there; where none is, an error that names all of them."""
        for name in names:
            path = self.root / name
            if path.exists():
                return path
        raise InputError(
            f"{self.root} has no {' nor '.join(names)}; give the folder of the benchmark's own "
            "release, as its authors publish it"
        )

    def maybe(self, *names: str) -> Path | None:
        """The first of these that is there."""
        return next((p for name in names if (p := self.root / name).exists()), None)

    def all(self, *patterns: str) -> list[Path]:
        """Every file of the first pattern that any file matches."""
        for pattern in patterns:
            if found := sorted(self.root.glob(pattern)):
                return found
        return []

    def image(self, name: str, *places: str) -> Image:
        """The image of this name, in the first of these folders that has it; decoded when seen."""
        for place in places or (".",):
            path = self.root / place / name
            if path.is_file():
                return Image(ImageFile(self._inside(path)))
        return Image(ImageFile(self._inside(self.root / (places[0] if places else ".") / name)))

    def has(self, name: str, *places: str) -> bool:
        """Whether there is such a file."""
        return any((self.root / place / name).is_file() for place in places or (".",))

    def _inside(self, path: Path) -> Path:
        """Tables are others' words: what they name must lie in the folder."""
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InputError(f"{path} leads out of {self.root}; a benchmark's files lie in it")
        return path


@dataclass(frozen=True)
class InParquet:
    """An image whose encoded bytes stand in a Parquet file; read when looked at, never kept."""

    path: Path
    column: str
    row: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.load().shape[:2]
        return height, width

    def load(self) -> Pixels:
        """RGB pixels."""
        value = _column(self.path, self.column)[self.row].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise InputError(
                f"{self.path}, row {self.row + 1}: {self.column!r} holds no image bytes"
            )
        try:
            return canonical(data, limits=LOCAL).image.pixels()
        except MediaError as error:
            raise type(error)(f"{self.path}, row {self.row + 1}, {self.column!r}") from None


@lru_cache(maxsize=1)
def _column(path: Path, column: str):  # pyright: ignore[reportUnknownParameterType]
    import pyarrow.parquet as pq

    names = pq.ParquetFile(path).schema_arrow.names
    if column not in names:
        raise InputError(f"{path}: the schema lacks the column {column!r}; it has {names}")
    return pq.read_table(path, columns=[column], memory_map=True)[column]


def opened(name: str, path: str, hub: str, revision: str, patterns: Sequence[str] = ()) -> Folder:
    """The folder at `path`, or the data set of that name (default: `hub`) fetched from the hub."""
    where = path or hub
    local = Path(where).expanduser()
    if where and local.is_dir():
        return Folder(local, revision or "local", local=True)
    if where and local.is_file():
        raise UsageError(f"{name}: {path} is a file; give the folder that it lies in")
    if path.startswith((".", "/", "~")):
        raise InputError(f"{name}: there is no folder {path}; give the benchmark's folder")
    if not where or where.count("/") != 1:
        raise UsageError(
            f"{name} needs a `path`: the folder of its release"
            + (f" (there is none at {path!r})" if path else ", which its authors publish")
        )
    return _fetched(name, where, revision, patterns)


def _fetched(name: str, repository: str, revision: str, patterns: Sequence[str]) -> Folder:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = Path(
            snapshot_download(
                repository,
                repo_type="dataset",
                revision=revision or None,
                allow_patterns=list(patterns) or None,
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: {repository} could not be had from the hub and is in no cache ({first}); "
            "fetch it where there is a network, and give its folder as `path`"
        ) from None
    return Folder(found, found.name, local=False)


def stamp(paths: Sequence[Path]) -> str:
    """A digest of the tables that samples were read from: the revision of a local folder."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.name.encode() + b"\n")
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{whole.hexdigest()[:16]}"
