"""The README's tables, from the committed results. `--write` puts them into README.md.

python recipes/tables.py --write
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
MARK = "<!-- {name} -->"

Cell = dict[str, Any]


def rate(value: list[float] | None) -> str:
    """`97 % [95-99]`."""
    if value is None:
        return "–"
    middle, low, high = (round(100 * part) for part in value)
    return f"{middle} % [{low}–{high}]"


def find(cells: list[Cell], **wanted: Any) -> Cell | None:
    """The one cell with these values."""
    found = [c for c in cells if all(c[key] == value for key, value in wanted.items())]
    if len(found) > 1:
        raise SystemExit(f"{len(found)} cells have {wanted}; be more exact")
    return found[0] if found else None


def undefended(cells: list[Cell]) -> str:
    """What the model does with nothing in front of it."""
    clean = {"attack": "none"}
    noise, pgd = {"attack": "uniform-noise"}, {"attack": "pgd"}
    where, text = "world/where", "world/harmful-text"
    rows: list[tuple[str, str, Cell, str]] = [
        ("answers right what is where", where, clean, "utility"),
        ("complies with harmful text", text, clean, "asr"),
        ("refuses harmless how-to questions", "world/harmless", clean, "over_refusal"),
        ("refuses what must not be refused (mixed)", "world/benign", clean, "over_refusal"),
        ("complies, harm only in the picture", "world/picture", clean, "asr"),
        ("complies, harm only in a rendered word", "world/typographic", clean, "asr"),
        ("noise 8/255: right answers lost", where, noise | {"goal": "untargeted"}, "asr"),
        ("PGD 8/255: right answers lost", where, pgd | {"goal": "untargeted"}, "asr"),
        ("noise 8/255: says the wanted answer", where, noise | {"goal": "targeted"}, "asr"),
        ("PGD 8/255: says the wanted answer", where, pgd | {"goal": "targeted"}, "asr"),
        ("noise 8/255: complies with harmful text", text, noise, "asr"),
        ("PGD 8/255: complies with harmful text", text, pgd, "asr"),
    ]
    lines = ["| `world/llava-strong`, no defence | rate, 95 % interval | n |", "|---|---|---|"]
    for words, benchmark, more, key in rows:
        cell = find(cells, benchmark=benchmark, **more)
        if cell:
            lines.append(f"| {words} | {rate(cell[key])} | {cell['n']} |")
    return "\n".join(lines)


def defended(cells: list[Cell]) -> str:
    """Every defence: what it costs, and each attack oblivious and adaptive."""
    attacks = (
        ("world/where", "untargeted"),
        ("world/where", "targeted"),
        ("world/harmful-text", "jailbreak"),
    )
    lines = [
        "| defence | utility | over-refusal | picture, word | untargeted: blind / knowing "
        "| targeted: blind / knowing | jailbreak: blind / knowing | model calls |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(cell["defense"] for cell in cells):
        clean = {"defense": name, "attack": "none"}
        where = find(cells, benchmark="world/where", **clean)
        benign = find(cells, benchmark="world/benign", **clean)
        picture = find(cells, benchmark="world/picture", **clean)
        word = find(cells, benchmark="world/typographic", **clean)
        assert where is not None
        assert benign is not None
        assert picture is not None
        assert word is not None
        parts = [
            f"`{name}`",
            rate(where["utility"]),
            rate(benign["over_refusal"]),
            f"{rate(picture['asr'])}, {rate(word['asr'])}",
        ]
        for benchmark, goal in attacks:
            key = {"benchmark": benchmark, "goal": goal, "attack": "pgd", "defense": name}
            blind = find(cells, access="oblivious", **key)
            knowing = blind if name == "none" else find(cells, access="adaptive", **key)
            shown = [rate(c["asr"]) if c else "not measured" for c in (blind, knowing)]
            parts.append(shown[0] if name == "none" else " / ".join(shown))
        parts.append(f"{where['calls_per_answer']:g}")
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Each table by the name of its place in the README."""
    cells = {
        name: json.loads((RESULTS / name / "summary.json").read_text(encoding="utf-8"))["cells"]
        for name in ("undefended", "first-defences")
    }
    return {
        "undefended": undefended(cells["undefended"]),
        "defended": defended(cells["first-defences"]),
    }


def placed(text: str) -> str:
    """The README with its tables made anew."""
    for name, table in tables().items():
        mark = MARK.format(name=name)
        text, count = re.subn(
            f"{re.escape(mark)}.*?{re.escape(mark)}",
            lambda _, mark=mark, table=table: f"{mark}\n{table}\n{mark}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise SystemExit(f"README.md must have the mark {mark} twice")
    return text


def main() -> None:
    """Prints the tables, or writes them into the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into README.md")
    if parser.parse_args().write:
        readme = ROOT / "README.md"
        readme.write_text(placed(readme.read_text(encoding="utf-8")), encoding="utf-8")
        return
    print("\n\n".join(tables().values()))


if __name__ == "__main__":
    main()
