"""What a stack is worth, as far as anybody measured: figures by the digest of the very stack."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sallet.core.errors import StoreError
from sallet.gateway.stacks import Built

NEVER: Final = "never measured"
_OWN: Final = "defense."

Rate = tuple[float, float, float]


@dataclass(frozen=True)
class Figure:
    """Success of one attack on one model behind the stack; `rates` by the attacker's access.

    `settings` are those that tell it from other figures of the same attack in the same run.
    """

    run: str
    model: str
    benchmark: str
    attack: str
    goal: str | None
    norm: str | None
    eps: float | None
    split: str | None
    source: str | None
    n: int
    rates: dict[str, Rate] = field(default_factory=dict[str, Rate])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def attacked(self) -> str:
        """The attack and its budget in words."""
        budget = "" if self.eps is None else f" {self.eps:g}/255 {self.norm}"
        split = "" if self.split is None else f", {self.split}"
        own = "".join(f", {name} {value}" for name, value in self.settings.items())
        return f"{self.attack}{budget}, {self.goal or 'as it is'}{split}{own}"

    def shown(self, access: str) -> str:
        """The rate with its interval, or that there is none."""
        rate = self.rates.get(access) or self.rates.get("none")
        if rate is None:
            return NEVER
        return f"{rate[0]:.0%} [{rate[1]:.0%}-{rate[2]:.0%}]".replace("%-", "-")

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        own = {name: value for name, value in vars(self).items() if name != "rates"}
        return {**own, "asr": {access: list(rate) for access, rate in self.rates.items()}}


def figures(stack: Built, folders: Sequence[Path]) -> list[Figure]:
    """Every figure of this very stack in the runs of these folders, cells of one attack together.

    A run counts where its rows carry the stack's digest. Of a stack with the same name and
    parameters but other weights or words, nothing is shown.
    """
    found: list[Figure] = []
    for folder in folders:
        for run in _runs(folder):
            summary = _summary(run)
            cells = [c for c in summary.get("cells", ()) if _same(c, stack)]
            if cells and stack.digest in _digests(run, stack.spec.name):
                found += _merged(run.name, cells)
    return found


def _merged(run: str, cells: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for cell in cells:
        if cell.get("asr") is not None:
            key = [
                cell[k]
                for k in ("model", "benchmark", "attack", "goal", "norm", "eps", "split", "source")
            ]
            own = {k: v for k, v in cell["params"].items() if not k.startswith(_OWN)}
            groups.setdefault((*key, json.dumps(own, sort_keys=True)), []).append(cell)
            alike.setdefault(tuple(key), []).append(own)
    for (*key, own), group in groups.items():
        model, benchmark, attack, goal, norm, eps, split, source = key
        rates = {cell["access"]: tuple(cell["asr"]) for cell in group}
        least = min(cell["n"] for cell in group)
        yield Figure(
            run, model, benchmark, attack, goal, norm, eps, split, source, least, rates,
            _telling(json.loads(own), alike[tuple(key)]),
        )  # fmt: skip


def _telling(own: dict[str, Any], alike: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The settings that are not the same in all that are otherwise alike."""
    return {k: v for k, v in own.items() if any(other.get(k) != v for other in alike)}


def _same(cell: dict[str, Any], stack: Built) -> bool:
    own = {k: v for k, v in cell["params"].items() if k.startswith(_OWN)}
    return cell["defense"] == stack.spec.name and own == stack.params


def _runs(folder: Path) -> list[Path]:
    if (folder / "summary.json").is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/summary.json"))


def _summary(run: Path) -> dict[str, Any]:
    try:
        read = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{run} has a summary.json that cannot be read: {error}") from None
    return read if isinstance(read, dict) else {}


def _digests(run: Path, defense: str) -> set[str]:
    """The digests that the rows of this defence carry."""
    whole, packed = run / "rows.jsonl", run / "rows.jsonl.gz"
    if packed.exists():
        data = gzip.decompress(packed.read_bytes())
    else:
        data = whole.read_bytes() if whole.exists() else b""
    found: set[str] = set()
    name = json.dumps(defense).encode()
    for line in data.splitlines(keepends=True):
        if name in line and line.endswith(b"\n"):
            row = json.loads(line)
            if row["key"]["defense"] == defense:
                found.add(row["defense_config"])
    return found
