"""A policy's stacks as the very defences that were measured, each with the digest it is known by.

The digest is the one that a run writes into its rows (`defense_config`), so that a figure can be
looked up by what is really in front of the model: names, parameters, words, weights.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sallet import catalog
from sallet.core.compose import Stack, contents
from sallet.core.errors import RecipeError, UnknownName, UsageError
from sallet.core.protocols import Defense
from sallet.gateway.strict import shown
from sallet.runs.recipe import DefenseSpec, Spec, digest

_SELF: Final = ("name", "gradient", "stochastic")  # what a defence says of itself


@dataclass(frozen=True)
class Built:
    """A defence that is ready, and what it is."""

    spec: DefenseSpec
    defense: Defense
    digest: str

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters as a cell of a summary has them."""
        layers = self.spec.layers
        within = ["defense" if len(layers) == 1 else f"defense.{one.name}" for one in layers]
        return {
            f"{place}.{key}": value
            for place, layer in zip(within, layers, strict=True)
            for key, value in layer.params.items()
        }


def build(layers: tuple[Any, ...], place: str) -> Built:
    """The stack of a policy's list: names, or mappings of a name and its parameters."""
    if not layers:
        raise UsageError(f"{place} is empty; write [none] for no defence")
    spec = DefenseSpec(tuple(_spec(layer, place) for layer in layers))
    made = [_made(one) for one in spec.layers]
    whole = made[0] if len(made) == 1 else Stack(*made)
    return Built(spec, whole, digest([asdict(spec), contents(whole), *_sources(spec)]))


def all_of(stacks: Mapping[str, tuple[Any, ...]]) -> dict[str, Built]:
    """Every stack of a policy, by its name."""
    return {name: build(layers, f"stacks.{name}") for name, layers in stacks.items()}


def _spec(layer: Any, place: str) -> Spec:
    if isinstance(layer, str):
        layer = {"name": layer}
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        raise UsageError(f"{place} should list names of defences; it has {shown(layer)}")
    name = layer["name"]
    target = layer.get("target")
    given = {str(key): value for key, value in layer.items() if key not in ("name", "target")}
    takes = inspect.signature(_maker(name, target)).parameters
    for key, value in given.items():
        if key not in takes or key in _SELF:
            raise UnknownName(f"parameter of defense {name!r}:", key, set(takes) - {*_SELF})
        if not (value is None or isinstance(value, (str, int, float, bool))):
            raise RecipeError(f"{key} of defense {name!r} should be one value; got {shown(value)}")
    defaults = {
        key: one.default
        for key, one in takes.items()
        if isinstance(one.default, (str, int, float, bool)) and key not in _SELF
    }
    return Spec(name, dict(sorted({**defaults, **given}.items())), target)


def _made(spec: Spec) -> Any:
    if spec.target is None:
        return catalog.build("defense", spec.name, **spec.params)
    return _maker(spec.name, spec.target)(**spec.params)


def _maker(name: str, target: object) -> Any:
    """What builds a listed defence, or one of the operator's own (`target: module:attribute`)."""
    place = catalog.entry("defense", name).target if target is None else str(target)
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"cannot find {place!r} for the defence {name!r}: {error}") from None


def _sources(spec: DefenseSpec) -> list[str]:
    """A digest of the source file of each defence that is the operator's own."""
    found: list[str] = []
    for layer in spec.layers:
        if layer.target:
            where = importlib.util.find_spec(layer.target.partition(":")[0])
            source = Path(where.origin) if where and where.origin else None
            text = source.read_bytes() if source and source.is_file() else b""
            found.append(hashlib.sha256(text).hexdigest()[:16])
    return found
