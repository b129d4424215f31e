"""AdaShield-A's pool: hostile examples, each with the prompt that its scenario was refined to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sallet.core.errors import ModelError, RecipeError, UnknownName
from sallet.core.query import Query
from sallet.defenses.embedders import SHIPPED

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One example: its scenario, request, prompt, the share of its validation that was refused
    with it, and where it lies in the encoder's space."""

    scenario: str
    request: str
    picture: str
    prompt: str
    refused: float
    vector: tuple[float, ...]


@dataclass(frozen=True)
class Pool:
    """Examples, and the encoder that placed them: nothing else may look them up."""

    encoder: str
    weights: str
    entries: tuple[Entry, ...]
    made: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Writes the file, an example a line."""
        whole = asdict(self)
        lines = ",\n".join(json.dumps(entry) for entry in whole.pop("entries"))
        head = json.dumps(whole).removesuffix("}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{head}, "entries": [\n{lines}\n]}}\n', encoding="utf-8")

    @property
    def vectors(self) -> Tensor:
        """`[entries, d]`, unit rows."""
        return functional.normalize(torch.tensor([entry.vector for entry in self.entries]), dim=1)

    def nearest(self, vector: Tensor) -> tuple[Tensor, Entry]:
        """The cosine to the nearest entry, and that entry."""
        cosines = self.vectors.to(vector.device) @ vector
        best = int(cosines.detach().argmax())
        return cosines[best], self.entries[best]


@dataclass(frozen=True)
class Placing:
    """A worker: queries to unit vectors, picture and request side by side, with a graph to the
    pixels where there is one to be had."""

    encoder: str

    @property
    def name(self) -> str:
        """What its calls are counted under."""
        return f"encoder {self.encoder}"

    def __call__(self, queries: Sequence[Query]) -> list[Tensor]:
        return [self.place(query) for query in queries]  # one by one, whatever the company

    def place(self, query: Query) -> Tensor:
        """Pictures of one query count together; each half weighs the same."""
        tower = _tower(self.encoder)
        with torch.no_grad():
            said = tower.embed_texts([query.user_text])[0]
        if not query.images:
            return torch.cat([torch.zeros_like(said), said]) / 2**0.5
        shown = torch.cat([tower.embed_images([image.tensor()]) for image in query.images])
        seen = functional.normalize(shown.mean(0), dim=0)
        return torch.cat([seen, said]) / 2**0.5


def read(name: str, encoder: str) -> Pool:
    """A shipped pool, or a file that `sallet train adashield` wrote; of this encoder alone."""
    pool = _parsed(str(_found(name)))
    weights = weights_of(encoder)
    if (pool.encoder, pool.weights) != (encoder, weights):
        raise RecipeError(
            f"the pool {name} was placed by {pool.encoder} ({pool.weights[:12]}), and is to be "
            f"looked up by {encoder} ({weights[:12]}); train it again with this encoder"
        )
    return pool


@cache
def weights_of(encoder: str) -> str:
    """SHA-256 of an encoder's weights."""
    whole = hashlib.sha256()
    for file in sorted(_folder(encoder).glob("*.safetensors")):
        whole.update(file.read_bytes())
    return whole.hexdigest()


def _folder(encoder: str) -> Path:
    if encoder in SHIPPED:
        from sallet.world.models import path

        return Path(path(encoder))
    folder = Path(encoder).expanduser()
    if not folder.is_dir():
        raise UnknownName("encoder (or folder of one)", encoder, SHIPPED)
    return folder


@cache
def _tower(encoder: str) -> Any:
    from sallet.models.towers import Tower

    return Tower.from_pretrained(_folder(encoder), name=encoder, device="cpu")


def _found(name: str) -> Any:
    if name.endswith(".json"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise RecipeError(f"there is no pool {path}; `sallet train adashield` writes one")
        return path
    folder = files("sallet.defenses").joinpath("prompts", "adashield")
    shipped = {f.name.removesuffix(".json"): f for f in folder.iterdir() if ".json" in f.name}
    if name not in shipped:
        raise UnknownName("AdaShield pool", name, shipped)
    return shipped[name]


@lru_cache(8)
def _parsed(path: str) -> Pool:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        entries = tuple(
            Entry(**{**one, "vector": tuple(one["vector"])}) for one in data.pop("entries")
        )
        pool = Pool(**data, entries=entries)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is no AdaShield pool: {error}; train it again") from None
    if pool.format != FORMAT or not pool.entries:
        raise ModelError(f"{path} is empty or of another format than {FORMAT}; train it again")
    return pool
