"""Purifiers: what they leave of answers and of attacks, blind and knowing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from table_cells import NOTHING, Cell, find, rate_of, table

WHERE = "world/where"
BLIND = (("pgd", "untargeted"), ("pgd", "targeted"), ("low-frequency", "untargeted"))
ABLATED = (
    ("oblivious", "untargeted"), ("oblivious", "targeted"),
    ("adaptive", "untargeted"), ("adaptive", "targeted"),
)  # fmt: skip


def purifiers(found: list[Cell]) -> str:
    """A line a defence: utility, then each attack that does not know it, seen ones first."""
    kinds: dict[tuple[str, str, str, str], str] = {}
    for cell in found:
        if cell["split"] and cell["benchmark"] == WHERE:
            name = "sent from another model" if cell["access"] == "transfer" else cell["attack"]
            name = "pgd with momentum" if _with_momentum(cell) else name
            goal = cell["goal"] or ""
            label = f"{cell['split']}: {name}, {goal}"
            kinds[cell["split"], name, goal, label] = label
    order = sorted(kinds, key=lambda one: one[0])
    lines: list[list[str]] = []
    for name, own in _each(found):
        clean = [
            rate_of(find(own, benchmark=benchmark, attack="none"), "utility")
            for benchmark in (WHERE, "world/reading", "world/caption")
        ]
        rates = [rate_of(_of(own, *kind[:3])) for kind in order]
        lines.append([name, *clean, *rates])
    head = ["defence", "where", "reading", "captions", *(kinds[kind] for kind in order)]
    return table(head, lines)


def _of(own: list[Cell], split: str, name: str, goal: str) -> Cell | None:
    for cell in own:
        if cell["split"] != split or cell["goal"] != goal:
            continue
        sent = cell["access"] == "transfer"
        momentum = _with_momentum(cell)
        if name == "sent from another model":
            same = sent
        elif name == "pgd with momentum":
            same = momentum
        else:
            same = cell["attack"] == name and not sent and not momentum
        if same:
            return cell
    return None


def _with_momentum(cell: Cell) -> bool:
    """The recipe has PGD with the engine's own momentum, and once with this one."""
    return cell["attack"] == "pgd" and cell["params"].get("momentum") == 0.9


def elsewhere(found: list[Cell]) -> str:
    """A line a model and defence: what it was trained for and what it never met, shifted last."""
    lines: list[list[str]] = []
    for model, defense in dict.fromkeys((cell["model"], cell["defense"]) for cell in found):
        own = [cell for cell in found if (cell["model"], cell["defense"]) == (model, defense)]
        shown: list[str] = []
        for shifted in (False, True):
            part = [cell for cell in own if ("benchmark.split" in cell["params"]) == shifted]
            shown += [
                rate_of(find(part, benchmark=one, attack="none"), "utility")
                for one in (WHERE, "world/reading")
            ]
            shown += [
                rate_of(find(part, benchmark=WHERE, attack=attack, goal=goal))
                for attack, goal in BLIND
            ]
        lines.append([f"`{model}`", f"`{defense}`", *shown])
    columns = ["where", "reading", *(f"{attack}, {goal}" for attack, goal in BLIND)]
    head = ["model", "defence", *columns, *(f"shifted: {column}" for column in columns)]
    return table(head, lines)


def ablation(found: list[Cell]) -> str:
    """A line a purifier: utility, blind attacks, and by who knows it."""
    lines: list[list[str]] = []
    for name, own in _each(found):
        lines.append([
            name,
            *(rate_of(find(own, benchmark=one, attack="none"), "utility")
              for one in (WHERE, "world/reading")),
            *(rate_of(find(own, attack="pgd", access=access, goal=goal))
              for access, goal in ABLATED),
        ])  # fmt: skip
    head = [
        "", "where", "reading", "blind, untargeted 8/255", "blind, targeted 8/255",
        "knowing, untargeted 4/255", "knowing, targeted 8/255",
    ]  # fmt: skip
    return table(head, lines)


def _each(found: list[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    """Each defence and its cells; one of another folder is called by that folder's training."""
    given = ("defense.folder", "defense.steps")
    keys = [(cell["defense"], *(cell["params"].get(key) for key in given)) for cell in found]
    for key in dict.fromkeys(keys):
        defense, folder, steps = key
        own = [cell for cell, its in zip(found, keys, strict=True) if its == key]
        shipped = folder is None or folder.startswith("world/")
        yield f"`{defense}`" if shipped else f"{Path(folder).parent.name}{_many(steps)}", own


def _many(steps: int | None) -> str:
    return f", {steps} step{'s' * (steps > 1)}" if steps else ""


def knowing(found: list[Cell]) -> str:
    """A line a defence, goal and size: the attacker who knows it, with one try and with ten."""
    lines: list[list[str]] = []
    for cell in found:
        if cell["attack"] == "none":
            continue
        curve = cell["resubmission_curve"]
        first = rate_of({"asr": curve[0]}) if curve else rate_of(cell)
        ten = rate_of({"asr": curve[-1]}) if len(curve) > 1 else NOTHING
        name = f"`{cell['defense']}`"
        looks = f"{cell['attack_looks']:.0f}"
        lines.append([
            name, cell["goal"], f"{cell['eps']:g}/255", first, ten, str(cell["n"]), looks,
            f"{cell['attack_seconds']:.1f}", ", ".join(cell["flags"]) or NOTHING,
        ])  # fmt: skip
    head = ["defence", "goal", "size", "one try", "ten tries", "n", "looks", "seconds", "flags"]
    return table(head, lines)
