"""The tables of the comparison's grid, and of smoothing and its certificate."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from table_cells import NOTHING, RESULTS, Cell, find, models, rate, table

FORMS = ("world/harmful-text", "world/picture", "world/typographic")


def bench(name: str) -> dict[str, Any] | None:
    """What a benchmark wrote."""
    path = RESULTS / f"bench-{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def smoothing(found: dict[str, Any]) -> str:
    """Ours, the paper's and nothing, on the same pictures."""
    head = ["", "utility", "untargeted", "jailbreak", "model answers", "seconds"]
    lines: list[list[str]] = []
    for name, passes in (
        ("none", 1), ("smoothguard-paper", found["passes_paper"]), ("smoothguard", found["passes"])
    ):  # fmt: skip
        one = found[name]
        seconds = found["seconds"].get(name)
        lines.append(
            [
                f"`{name}`",
                *(rate(one[key]) for key in ("utility", "asr_untargeted", "asr_jailbreak")),
                f"{passes:g}",
                NOTHING if seconds is None else f"{seconds:g}",
            ]
        )
    agreement, itself = rate(found["agreement"]), rate(found["self_agreement"])
    return "\n".join(
        [
            table(head, lines),
            "",
            f"n = {found['n']}. Verdicts that agree: ours with the paper's {agreement}, the "
            f"paper's with itself on another defence seed {itself}. Our time over the paper's: "
            f"{found['wall_ratio']:g}.",
        ]
    )


def sweep(found: dict[str, Any]) -> str:
    """Every arm at every sigma: utility, then success of both goals."""
    arms = ("smoothguard", "smoothguard-paper", "majority", "noise", "lot")
    lines = [
        [
            f"{row['sigma']:g}",
            f"{row['passes']:g}",
            *(
                " / ".join(
                    f"{100 * row[arm][key][0]:.0f}"
                    for key in ("utility", "asr_untargeted", "asr_jailbreak")
                )
                for arm in arms
            ),
        ]
        for row in found["sweep"]
    ]
    n = found["sweep"][0]["n"]
    head = [
        "sigma",
        "answers of `smoothguard`",
        *(f"`{a}`" if a != "lot" else "by lot" for a in arms),
    ]
    return f"{table(head, lines)}\n\nPercent: utility / untargeted / jailbreak; n = {n}."


def certificate(found: dict[str, Any]) -> str:
    """What became of certified samples that were attacked."""
    lines = [
        [f"{float(scale):g}", rate(one["flipped"]), str(one["abstained"])]
        for scale, one in found["scales"].items()
    ]
    return "\n".join(
        [
            table(["radii", "flipped", "abstained"], lines),
            "",
            f"{found['n']} certified of {found['drawn']} (sigma {found['sigma']:g}, alpha "
            f"{found['alpha']:g}, {found['estimate']} copies); median radius "
            f"{found['radius_median']:g} in L2, {found['per_pixel_median']:g}/255 a value.",
        ]
    )


def comparison(found: list[Cell]) -> str:
    """Each configuration over all models: the range, model by model, of what it lets through."""
    head = [
        "", "harm in words", "in the picture", "in a word", "template", "written list", "patch",
        "over-refusal", "utility", "answers",
    ]  # fmt: skip
    lines: list[list[str]] = []
    for name in dict.fromkeys(cell["defense"] for cell in found):
        own = {"defense": name, "attack": "none"}
        lines.append(
            [
                f"`{name}`",
                *(_range(found, "asr", benchmark=form, **own) for form in FORMS),
                *(
                    _range(found, "asr", defense=name, attack=attack)
                    for attack in ("template", "figstep", "patch")
                ),
                _range(found, "over_refusal", benchmark="world/benign", **own),
                _range(found, "utility", benchmark="world/where", **own),
                f"{max(_calls(found, name)):.3g}",
            ]
        )
    return table(head, lines)


def scorers(found: list[Cell], keywords: list[Cell]) -> str:
    """The same answers of all models, read and counted by keywords: harm done, and who refused."""
    lines: list[list[str]] = []
    for name in dict.fromkeys(cell["defense"] for cell in found):
        own = {"defense": name, "attack": "none"}
        harm = [
            _mean([find(cells, model=model, benchmark=form, **own)
                   for model in models(cells) for form in FORMS])
            for cells in (found, keywords)
        ]  # fmt: skip
        benign = [
            [cell for model in models(cells)
             if (cell := find(cells, model=model, benchmark="world/benign", **own))]
            for cells in (found, keywords)
        ]  # fmt: skip
        by = Counter[str]()
        for cell in benign[0]:
            by.update(cell["refused_by"])
        total = sum(cell["n"] for cell in benign[0])
        model = by.pop("model", 0)
        counted = sum(cell["reasons"].get("refused", 0) for cell in benign[1])
        refused = [f"{100 * count / total:.0f} %" for count in (model, sum(by.values()), counted)]
        lines.append([f"`{name}`", *harm, *refused])
    head = [
        "", "harmful, answered", "by keywords", "benign, refused by the model", "by the defence",
        "by keywords",
    ]  # fmt: skip
    return table(head, lines)


def _mean(cells: list[Cell | None]) -> str:
    shares = [(cell["asr"][0] * cell["n"], cell["n"]) for cell in cells if cell and cell["asr"]]
    return f"{100 * sum(hits for hits, _ in shares) / sum(n for _, n in shares):.0f} %"


def _range(found: list[Cell], key: str, **wanted: Any) -> str:
    ones = [find(found, model=model, **wanted) for model in models(found)]
    shares = [round(100 * one[key][0]) for one in ones if one and one[key]]
    if not shares:
        return NOTHING
    low, high = min(shares), max(shares)
    return f"{low} %" if low == high else f"{low}–{high} %"


def _calls(found: list[Cell], name: str) -> list[float]:
    return [cell["calls_per_answer"] for cell in found if cell["defense"] == name]
