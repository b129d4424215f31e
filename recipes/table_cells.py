"""What every table needs: the cells of a committed result, and figures in words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
NOTHING = "–"

Cell = dict[str, Any]


def cells(name: str, folder: str | None = None) -> list[Cell] | None:
    """The cells of a recipe's result; None where there is none yet, or only that of an older one.

    `folder` is where the result lies, if not under the recipe's name.
    """
    path = RESULTS / (folder or name) / "summary.json"
    if not path.is_file():
        return None
    found: list[Cell] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    recipe = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    return found if set(recipe["models"]) <= set(models(found)) else None


def rows(folder: Path) -> Iterator[Cell]:
    """The rows of a committed result or of a run's folder."""
    packed = folder / "rows.jsonl.gz"
    data = packed.read_bytes() if packed.is_file() else (folder / "rows.jsonl").read_bytes()
    text = gzip.decompress(data) if packed.is_file() else data
    for line in text.splitlines():
        yield json.loads(line)


def models(found: list[Cell]) -> list[str]:
    """Each model once, in the order of the cells."""
    return list(dict.fromkeys(cell["model"] for cell in found))


def find(found: list[Cell], params: dict[str, Any] | None = None, **wanted: Any) -> Cell | None:
    """The one cell with these values, and at least these parameters."""
    fitting = [
        cell
        for cell in found
        if all(cell[key] == value for key, value in wanted.items())
        and all(cell["params"].get(key) == value for key, value in (params or {}).items())
    ]
    if len(fitting) > 1:
        raise SystemExit(f"{len(fitting)} cells have {wanted}, {params}; be more exact")
    return fitting[0] if fitting else None


def rate(value: list[float] | None) -> str:
    """`97 % [95–99]`."""
    if value is None:
        return NOTHING
    middle, low, high = (round(100 * part) for part in value)
    return f"{middle} % [{low}–{high}]"


def rate_of(cell: Cell | None, key: str = "asr") -> str:
    """A cell's rate, or a dash for a cell that is not there."""
    return NOTHING if cell is None else rate(cell[key])


def table(head: list[str], lines: list[list[str]]) -> str:
    """Markdown."""
    shown = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown)
