"""The README's tables, from the committed results. `--write` puts them into README.md.

python recipes/tables.py --write
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

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
        "| defence | utility | over-refusal | harm in the picture; in a word: as it is / knowing "
        "| untargeted: blind / knowing "
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
            "; ".join(_as_is(cells, name, one) for one in (picture, word)),
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


def _as_is(cells: list[Cell], defense: str, unattacked: Cell) -> str:
    """What gets through as it is, and optimised by who knows the defence."""
    key = {"benchmark": unattacked["benchmark"], "defense": defense, "access": "adaptive"}
    knowing = find(cells, attack="pgd", **key)
    if knowing is None and unattacked["asr"][0] < 0.5:
        return f"{rate(unattacked['asr'])} / not measured"
    return " / ".join(rate(cell["asr"]) for cell in (unattacked, knowing) if cell)


def check(found: dict[str, Any]) -> str:
    """What the shipped model can do, by family."""
    lines = ["| family | right | refused | complies with harm | n |", "|---|---|---|---|---|"]
    for family, rates in found["families"].items():
        shown = [_share(rates[key]) for key in ("right", "refused", "jailbroken")]
        lines.append(f"| {family} | {' | '.join(shown)} | {rates['right']['n']} |")
    for family, rates in found["safety_held_out"].items():
        shown = [_share(rates[key]) for key in ("right", "refused", "jailbroken")]
        words = f"{family}, told to be safe (held-out wordings)"
        lines.append(f"| {words} | {' | '.join(shown)} | {rates['right']['n']} |")
    return "\n".join(lines)


def _share(value: dict[str, Any] | None) -> str:
    """`97.0 % [95.1–98.2]`, by Wilson."""
    if value is None:
        return "–"
    hits = round(value["rate"] * value["n"])
    span = binomtest(hits, value["n"]).proportion_ci(method="wilson")
    return f"{100 * value['rate']:.1f} % [{100 * span.low:.1f}–{100 * span.high:.1f}]"


def tables() -> dict[str, dict[str, str]]:
    """Each table by its page and the name of its place there."""
    cells = {
        name: json.loads((RESULTS / name / "summary.json").read_text(encoding="utf-8"))["cells"]
        for name in ("undefended", "first-defences")
    }
    checked = json.loads((RESULTS / "world-check.json").read_text(encoding="utf-8"))
    return {
        "README.md": {
            "undefended": undefended(cells["undefended"]),
            "defended": defended(cells["first-defences"]),
        },
        "docs/world.md": {"check": check(checked)},
    }


def placed(page: str) -> str:
    """The page with its tables made anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, table in tables()[page].items():
        mark = MARK.format(name=name)
        text, count = re.subn(
            f"{re.escape(mark)}.*?{re.escape(mark)}",
            lambda _, mark=mark, table=table: f"{mark}\n{table}\n{mark}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise SystemExit(f"{page} must have the mark {mark} twice")
    return text


def main() -> None:
    """Prints the tables, or writes them into their pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into the pages")
    write = parser.parse_args().write
    for page, found in tables().items():
        if write:
            (ROOT / page).write_text(placed(page), encoding="utf-8")
        else:
            print("\n\n".join(found.values()), end="\n\n")


if __name__ == "__main__":
    main()
