"""The pages' tables, from the committed results. `--write` puts them into their pages.

python recipes/tables.py --write

A table whose result is not there yet, or was made by an older recipe, is left as it stands.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

import nouns
import table_defenses
import table_each
import table_purifiers
import table_statistics
from table_attacks import attacks, carried
from table_calibration import calibration, rewrites, sweep, transfer
from table_cells import RESULTS, ROOT, Cell, cells, find, rate
from table_check import check, encoders, seeds
from table_undefended import undefended

MARK = "<!-- {name} -->"


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


def checked() -> dict[str, Any]:
    """The outputs of `sallet world check --json`, of as many runs as there are, as one."""
    found: dict[str, Any] = {"models": {}, "encoders": {}}
    for path in sorted((RESULTS / "world-check").glob("*.json")):
        for kind, ones in json.loads(path.read_text(encoding="utf-8")).items():
            found[kind].update(ones)
    return found


def tables() -> dict[str, dict[str, str]]:
    """Each table by its page and the name of its place there, as far as there are results."""
    pages: dict[str, dict[str, str]] = {
        "README.md": {},
        "docs/world.md": {},
        "docs/calibration.md": {},
        "docs/statistics.md": {},
        "docs/attacks.md": {},
        "docs/purifiers.md": {},
        "docs/defenses.md": {},
        "docs/comparison.md": {},
    }
    readme, world, known, intervals, engine, purified, ours, grid = pages.values()
    for name, makes in {
        "smoothing": ("smoothing", "sweep"),
        "certificate": ("certificate",),
    }.items():
        if measured_there := table_defenses.bench(name):
            for make in makes:
                ours[make] = getattr(table_defenses, make)(measured_there)
    if each := cells("defenses"):
        for make in (table_each.costs, table_each.harm, table_each.lost, table_each.front):
            ours[make.__name__] = make(each)
    if written := cells("prefix"):
        ours["prefixes"] = table_each.prefixes(written)
    if compared := cells("comparison"):
        grid["comparison"] = table_defenses.comparison(compared)
        if counted := cells("comparison", "comparison-keywords"):
            grid["scorers"] = table_defenses.scorers(compared, counted)
    if every := cells("attacks"):
        engine["attacks"] = attacks([*every, *(cells("suffix") or [])])
    if sent := cells("transfer"):
        engine["transfer"] = carried(sent)
    for name, place, make in (
        ("purifiers", "purifiers", table_purifiers.purifiers),
        ("purifiers-adaptive", "knowing", table_purifiers.knowing),
        ("purifiers-diffpure", "diffpure", table_purifiers.knowing),
        ("purifiers-models", "elsewhere", table_purifiers.elsewhere),
        ("purifiers-ablation", "ablation", table_purifiers.ablation),
        ("purifiers-again", "again", table_purifiers.purifiers),
    ):
        if their := cells(name):
            purified[place] = make(their)
    if strong := cells("undefended"):
        readme["undefended"] = undefended(strong)
        fell = nouns.hits(RESULTS / "undefended", "world/harmful-text", "pgd", 8)
        known["nouns"] = nouns.by_noun(fell)
    if weak := cells("undefended-weak"):
        known["weak"] = undefended(weak)
    if first := cells("first-defences"):
        readme["defended"] = defended(first)
    if (measured := checked()).get("models"):
        world["check"] = check(measured)
        again = json.loads((RESULTS / "world-seeds.json").read_text(encoding="utf-8"))
        world["seeds"] = seeds(measured["models"]["world/llava-strong"], again)
    if measured.get("encoders"):
        world["encoders"] = encoders(measured)
    if found := cells("calibration"):
        for make in (calibration, sweep, rewrites, transfer):
            known[make.__name__] = make(found)
    if bench := table_statistics.measured():
        for make in ("plain", "shares", "differences", "speed"):
            intervals[make] = getattr(table_statistics, make)(bench)
    return pages


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
