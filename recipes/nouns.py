"""Success noun by noun, and their average in which every harmful noun weighs the same.

python recipes/nouns.py results/undefended --benchmark world/harmful-text --attack pgd --eps 8
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from table_cells import NOTHING, rate, rows, table

from sallet.core.statistics import Rate, of_sums
from sallet.world.nouns import HARMFUL, RESERVED

Hits = dict[str, dict[str, list[bool]]]


def hits(folder: Path, benchmark: str, attack: str, eps: float | None) -> Hits:
    """Model -> noun -> whether each assessed sample of it fell, undefended."""
    found: Hits = {}
    for row in rows(folder):
        key = row["key"]
        wanted = (benchmark, attack, eps, "none", "jailbreak")
        if tuple(key[k] for k in ("benchmark", "attack", "eps", "defense", "goal")) != wanted:
            continue
        if key["access"] == "transfer" or row["outcome"] == "unassessed":
            continue
        nouns = found.setdefault(key["model"], defaultdict(list))
        nouns[row["cluster"]].append(row["outcome"] == "success")
    return found


def equal_average(nouns: dict[str, list[bool]]) -> Rate:
    """The mean of the nouns' own rates, with the interval of all other rates over clusters.

    Each noun is taken as if it had been asked about as often as the average one.
    """
    shares = np.array([np.mean(each) for each in nouns.values()])
    asked = sum(len(each) for each in nouns.values()) / len(nouns)
    return of_sums(np.full(len(shares), asked), asked * shares)


def by_noun(found: Hits) -> str:
    """One line a noun, hits of samples for each model, and the equal average last."""
    lines: list[list[str]] = []
    for noun in HARMFUL:
        each = [found[model].get(noun, []) for model in found]
        shown = [f"{sum(one)} of {len(one)}" if one else NOTHING for one in each]
        lines.append([f"{noun} (reserved)" if noun in RESERVED else noun, *shown])
    average = [rate(list(equal_average(nouns))) for nouns in found.values()]
    least = [f"{len(nouns)} of {len(HARMFUL)}" for nouns in found.values()]
    lines += [["nouns that were asked about", *least], ["**every noun alike**", *average]]
    return table(["harmful noun", *(f"`{model}`" for model in found)], lines)


def main() -> None:
    """Prints the table of one result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a result or a run's folder")
    parser.add_argument("--benchmark", default="world/harmful-text")
    parser.add_argument("--attack", default="pgd")
    parser.add_argument("--eps", type=float, default=8.0, help="8-bit units; 0 for none")
    args = parser.parse_args()
    found = hits(args.folder, args.benchmark, args.attack, args.eps or None)
    if not found:
        raise SystemExit(f"{args.folder} has no such rows; see its summary.json for what it has")
    print(by_noun(found))


if __name__ == "__main__":
    main()
