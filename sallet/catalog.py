"""Every name that a user can say, and where it is built. Nothing is imported until it is built."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import Any, Literal, TypeAlias

from sallet.core.errors import RecipeError, UnknownName
from sallet.listed import ATTACKS, BENCHMARKS, DEFENSES, JUDGES, MODELS, Entry

Kind: TypeAlias = Literal["model", "defense", "attack", "benchmark", "judge"]

TOTALS: dict[str, str] = {
    "pope": "sallet.judges.official.pope:totals",
    "pope-official": "sallet.judges.official.pope:official_totals",
    "vqa": "sallet.judges.official.vqa:totals",
    "caption": "sallet.judges.official.caption:totals",
    "clipscore": "sallet.judges.official.clipscore:totals",
    "llava-bench": "sallet.judges.asked.rubrics:relative",
}
"""Judges whose benchmark has a scorer of its own for a whole cell."""

TABLES: dict[Kind, dict[str, Entry]] = {
    "model": MODELS,
    "defense": DEFENSES,
    "attack": ATTACKS,
    "benchmark": BENCHMARKS,
    "judge": JUDGES,
}


@cache
def plugins(kind: Kind) -> dict[str, Entry]:
    """What installed packages add: entry points of the group `sallet.judges` and the like.

    A name of Sallet's own stays Sallet's own, whatever a package calls its.
    """
    from importlib.metadata import entry_points

    found: dict[str, Entry] = {}
    for point in entry_points(group=f"sallet.{kind}s"):
        if point.name not in TABLES[kind]:
            whose = f"{point.dist.name} {point.dist.version}" if point.dist else "a plug-in"
            found[point.name] = Entry(point.value, f"from {whose}")
    return found


def table(kind: Kind) -> dict[str, Entry]:
    """Every name of this kind, plug-ins' among them."""
    return TABLES[kind] | plugins(kind)


def entry(kind: Kind, name: str) -> Entry:
    """The entry of this name, or an error that suggests the nearest names."""
    table = TABLES[kind] if name in TABLES[kind] else TABLES[kind] | plugins(kind)
    if name not in table:
        raise UnknownName(kind, name, table)
    return table[name]


def build(kind: Kind, name: str, /, **params: Any) -> Any:
    """The object of this name. `name` itself is passed on where its constructor takes one."""
    target = entry(kind, name).target
    module, _, attribute = target.partition(":")
    make = getattr(importlib.import_module(module), attribute)
    accepted = inspect.signature(make).parameters
    for key in params:
        if key not in accepted:
            raise RecipeError(
                f"{kind} {name!r} has no parameter {key!r}; it takes: "
                f"{', '.join(p for p in accepted if p != 'name') or 'none'}"
            )
    if "name" in accepted and accepted["name"].default is inspect.Parameter.empty:
        params = {"name": name, **params}
    return make(**params)


def choose(policy: str = "world") -> Any:
    """The options of a policy, each built by its name."""
    from sallet.defenses.choose import Chosen, read

    found = read(policy)
    return Chosen(found, tuple(defense(curve.option) for curve in found.curves))


def defense(spec: str, **params: Any) -> Any:
    """A defence by its name, or a stack of them, outermost first: `a+b+c`."""
    from sallet.core.compose import Stack

    names = spec.split("+")
    if len(names) == 1:
        return build("defense", spec, **params)
    if params:
        raise RecipeError(
            f"the stack {spec!r} takes no parameters; name each layer with its own in a recipe"
        )
    return Stack(*(build("defense", name) for name in names))
