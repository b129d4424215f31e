"""Flags in place of a recipe's values, before it is parsed."""

from __future__ import annotations

import argparse
from typing import Any

from sallet.core.errors import RecipeError
from sallet.runs.recipe import BLIND

LISTS = {
    "model": "models",
    "benchmark": "benchmarks",
    "attack": "attacks",
    "defense": "defenses",
    "access": "access",
    "source": "sources",
}


def override(data: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """The recipe with what the flags say; a name that it has keeps its parameters there."""
    data = dict(data)
    for key in LISTS.values():
        if not isinstance(data.get(key, []), (list, type(None))):
            raise RecipeError(f"`{key}` must be a list, not {data[key]!r}")
    if args.attack and not data:
        args.attack = list(dict.fromkeys(["none", *args.attack]))  # what it is compared with
    for flag, key in LISTS.items():
        names = getattr(args, flag)
        if names:
            data[key] = _chosen(data.get(key) or [], names)
    if args.benchmark or args.defense:
        data["attacks"] = _still_possible(data)
    if args.limit is not None:
        data["benchmarks"] = [
            {**_entry(one), "limit": args.limit} for one in data.get("benchmarks") or []
        ]
    for key in ("seed", "resubmissions", "attack_batch"):
        if getattr(args, key) is not None:
            data[key] = getattr(args, key)
    data["attacks"] = [_attack(_entry(one), args) for one in data.get("attacks") or ["none"]]
    return data


def _chosen(listed: list[Any], names: list[str]) -> list[Any]:
    """The recipe's entries of these names; a name that it does not list stands for itself."""
    return [one for name in names for one in [e for e in listed if _name(e) == name] or [name]]


def _still_possible(data: dict[str, Any]) -> list[Any]:
    """The attacks, kept to the benchmarks and defences that are left."""
    attacks: list[Any] = []
    for attack in map(_entry, data.get("attacks") or ["none"]):
        for key in ("benchmarks", "defenses"):
            if attack.get(key):
                left = {_name(one) for one in data.get(key) or ["none"]}
                attack[key] = [name for name in attack[key] if name in left]
                if not attack[key]:
                    break
        else:
            attacks.append(attack)
    if not attacks:
        raise RecipeError("no attack of the recipe is meant for these benchmarks and defences")
    return attacks


def _attack(entry: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """The attack with its goal and budget; controls have no steps, and `none` nothing at all."""
    name = entry.get("name")
    if name == "none":
        return entry
    default = {"goal": "untargeted"} if args.attack else {}
    given = {"goal": args.goal} if args.goal else {}
    given |= {key: getattr(args, key) for key in ("norm", "eps") if getattr(args, key) is not None}
    if args.steps is not None and name not in BLIND:
        given["steps"] = args.steps
    return {**default, **entry, **given}


def _entry(one: Any) -> dict[str, Any]:
    return dict(one) if isinstance(one, dict) else {"name": one}


def _name(one: Any) -> str:
    """`a+b` for a stack, as on the command line."""
    entry = _entry(one)
    if "stack" in entry:
        return "+".join(_name(layer) for layer in entry["stack"])
    return str(entry.get("path") or entry.get("name"))
