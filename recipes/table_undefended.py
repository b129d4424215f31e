"""The models with nothing in front of them, side by side."""

from __future__ import annotations

from typing import Any

from table_cells import NOTHING, Cell, find, models, rate_of, table

CLEAN = {"attack": "none"}
WHERE, TEXT = "world/where", "world/harmful-text"
UNATTACKED = (
    ("answers right what is where", WHERE, "utility"),
    ("complies with harmful text", TEXT, "asr"),
    ("refuses harmless how-to questions", "world/harmless", "over_refusal"),
    ("refuses what must not be refused (mixed)", "world/benign", "over_refusal"),
    ("complies, harm only in the picture", "world/picture", "asr"),
    ("complies, harm only in a rendered word", "world/typographic", "asr"),
)
ATTACKED = (
    ("right answers lost", WHERE, "untargeted", 4),
    ("says the wanted answer", WHERE, "targeted", 4),
    ("says the wanted answer", WHERE, "targeted", 8),
    ("complies with harmful text", TEXT, "jailbreak", 8),
)


def undefended(found: list[Cell]) -> str:
    """A line a measure, a column a model."""
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        (words, key, {**CLEAN, "benchmark": benchmark}) for words, benchmark, key in UNATTACKED
    ]
    for words, benchmark, goal, eps in ATTACKED:
        for attack, name in (("uniform-noise", "noise"), ("pgd", "PGD")):
            one = {"attack": attack, "benchmark": benchmark, "goal": goal, "eps": eps}
            wanted.append((f"{name} {eps}/255: {words}", "asr", one))
    names = models(found)
    lines: list[list[str]] = []
    for words, key, one in wanted:
        own = [find(found, model=model, **one) for model in names]
        if not any(own):
            continue
        counts = sorted({cell["n"] for cell in own if cell})
        shown = [rate_of(cell, key) for cell in own]
        lines.append([words, *shown, ", ".join(map(str, counts)) or NOTHING])
    return table(["no defence; rate, 95 % interval", *(f"`{name}`" for name in names), "n"], lines)
