"""The members of an ensemble, said in one line: `pgd:steps=20,apgd,square`.

Attacks know nothing of the catalogue, which is built of them; so the few that may be members stand
here by the same names, and are imported when they are asked for.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sallet.core.errors import RecipeError, UnknownName
from sallet.core.protocols import Attack
from sallet.runs.recipe import BLIND

MEMBERS = MappingProxyType(
    {
        "uniform-noise": "sallet.attacks.control:UniformNoise",
        "pgd": "sallet.attacks.pgd:PGD",
        "apgd": "sallet.attacks.apgd:APGD",
        "low-frequency": "sallet.attacks.low_frequency:LowFrequency",
        "square": "sallet.attacks.square:Square",
        "nes": "sallet.attacks.nes:NES",
    }
)
"""Attacks that make one hostile image of each query inside the same ball."""


@dataclass(frozen=True)
class Member:
    """One attack of an ensemble; `label` is how it was written."""

    label: str
    attack: Attack

    @property
    def blind(self) -> bool:
        """Whether it looks at no model."""
        return self.attack.name in BLIND


def members(text: str, *, eps: float, norm: str) -> tuple[Member, ...]:
    """The members that `text` names, in its order, each with this budget."""
    labels = ["".join(part.split()) for part in text.split(",")]
    if not all(labels):
        raise RecipeError(
            f"members are names with commas between them, such as `pgd:steps=20,apgd`; got {text!r}"
        )
    return tuple(Member(label, _built(label, eps, norm)) for label in labels)


def names(text: str) -> tuple[str, ...]:
    """The attacks that `text` names, without their settings."""
    return tuple(name_of(label) for label in text.split(","))


def name_of(label: str) -> str:
    """The attack's name alone."""
    return label.partition(":")[0].strip()


def _built(label: str, eps: float, norm: str) -> Attack:
    name, *settings = label.split(":")
    if name not in MEMBERS:
        raise UnknownName("member", name, MEMBERS)
    module, _, attribute = MEMBERS[name].partition(":")
    make = getattr(importlib.import_module(module), attribute)
    taken = inspect.signature(make).parameters
    if "norm" not in taken and norm != "linf":
        raise RecipeError(f"the member {name!r} knows no ball but linf's; leave it out for {norm}")
    given: dict[str, Any] = {
        key: value for key, value in (("eps", eps), ("norm", norm)) if key in taken
    }
    for setting in settings:
        key, sign, value = setting.partition("=")
        if key in ("eps", "norm"):
            raise RecipeError(f"{label!r}: the {key} of an ensemble is all its members'")
        if key not in taken:
            raise UnknownName(f"parameter of the member {name!r}:", key, taken)
        if not sign:
            raise RecipeError(f"{label!r}: write settings as name:key=value")
        given[key] = _value(value)
    return make(**given)


def _value(text: str) -> bool | int | float | str | None:
    """As in a recipe: `20`, `0.5`, `true`, `none`, or a word."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
