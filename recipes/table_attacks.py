"""Every attack against the undefended models, and what carries over from one model to another."""

from __future__ import annotations

from typing import Any

from table_cells import NOTHING, Cell, find, models, rate_of, table

GOALS = {
    "untargeted": "right answers lost",
    "targeted": "the wanted answer said",
    "jailbreak": "harmful text complied with",
}


def attacks(found: list[Cell]) -> str:
    """A line an attack and size, a column a model; what it costs is the mean over the models."""
    names = models(found)
    kinds: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in found:
        if cell["goal"] is None or cell["attack"] == "none":
            continue
        kind = tuple(cell[k] for k in ("goal", "attack", "eps", "split", "benchmark"))
        kinds.setdefault(kind, []).append(cell)
    lines: list[list[str]] = []
    order = list(GOALS)
    for (goal, attack, eps, split, _), own in sorted(
        kinds.items(), key=lambda one: order.index(one[0][0])
    ):
        size = "" if eps is None or eps == 255 else f" {eps:g}/255"
        name = "noise" if attack == "uniform-noise" else f"`{attack}`"
        rates = [next((rate_of(c) for c in own if c["model"] == m), NOTHING) for m in names]
        counts = sorted({cell["n"] for cell in own})
        looks, asks, seconds = (
            sum(cell.get(key, 0.0) for cell in own) / len(own)
            for key in ("attack_looks", "attack_asks", "attack_seconds")
        )
        words = f"{GOALS[goal]}: {name}{size}{f', {split}' if split else ''}"
        shown = f"{looks:.0f} + {asks:.0f}" if looks or asks else NOTHING
        lines.append([words, *rates, "–".join(map(str, counts)), shown, f"{seconds:.2f}"])
    head = ["attack", *(f"`{name}`" for name in names), "n", "looks + questions", "seconds"]
    return table(head, lines)


def carried(found: list[Cell]) -> str:
    """A line a source, goal and size: success on the source, then where it was sent."""
    names = models(found)
    sources = list(dict.fromkeys(_source(cell) for cell in found if cell["source"]))
    lines: list[list[str]] = []
    for goal in ("untargeted", "targeted"):
        for eps in (8, 16):
            one = {"goal": goal, "eps": eps, "attack": "pgd", "access": "transfer"}
            sent = [cell for cell in found if all(cell[key] == one[key] for key in one)]
            if not sent:
                continue
            for source in sources:
                own = [find([c for c in sent if _source(c) == source], model=m) for m in names]
                at_home = next((cell for cell in own if cell and cell["source_asr"]), None)
                lines.append([
                    f"{goal} {eps}/255", source, rate_of(at_home, "source_asr"),
                    *map(rate_of, own),
                ])  # fmt: skip
            noise = {"goal": goal, "eps": eps, "attack": "uniform-noise", "access": "none"}
            rates = [rate_of(find(found, model=name, **noise)) for name in names]
            lines.append([f"{goal} {eps}/255", "noise", NOTHING, *rates])
    return table(["", "made on", "there", *(f"sent to `{name}`" for name in names)], lines)


def _source(cell: Cell) -> str:
    """An encoder is led by a text or by a picture: two sources of one name."""
    toward = cell["params"].get("source.toward")
    shown = f"`{cell['source']}`"
    return f"{shown}, toward a {'picture' if toward == 'image' else toward}" if toward else shown
