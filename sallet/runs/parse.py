"""From a recipe's YAML to a `Recipe`; everything that is wrong in it is said here, by its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml

from sallet.core.errors import RecipeError, UnknownName
from sallet.core.goal import Kind
from sallet.runs.recipe import (
    BLIND,
    ENSEMBLE,
    Asked,
    AttackSpec,
    BenchmarkSpec,
    DefenseSpec,
    EnsembleSpec,
    Norm,
    Recipe,
    Spec,
)

T = TypeVar("T")

KEYS = tuple(field.name for field in fields(Recipe))


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise RecipeError(f"{path} must be a mapping with the keys {', '.join(KEYS)}")
    return data


def parse(data: dict[str, Any]) -> Recipe:
    """The recipe that this mapping means; names are looked up later, where things are built."""
    for key in data:
        if key not in KEYS:
            raise UnknownName("recipe key", str(key), KEYS)
    for key in ("models", "benchmarks"):
        if not data.get(key):
            raise RecipeError(f"a recipe needs {key}: list at least one name (see `sallet list`)")
    recipe = Recipe(
        name=str(data.get("name", "unnamed")),
        models=_each(data, "models", _model),
        benchmarks=_each(data, "benchmarks", _benchmark),
        attacks=_each(data, "attacks", _attack) or (AttackSpec("none"),),
        access=_access(data.get("access"), "access") or ("oblivious", "adaptive"),
        sources=_each(data, "sources", _source),
        defenses=_each(data, "defenses", _defense) or (DefenseSpec((Spec("none"),)),),
        seed=_whole(data.get("seed", 0), "seed", least=0),
        resubmissions=_whole(data.get("resubmissions", 1), "resubmissions"),
        attack_batch=_whole(data.get("attack_batch", 40), "attack_batch"),
        judge=_text(data.get("judge"), "judge"),
        second_judge=_text(data.get("second_judge"), "second_judge"),
        fixed_seed=_switch(data.get("fixed_seed"), "fixed_seed"),
    )
    if recipe.fixed_seed and recipe.resubmissions > 1:
        raise RecipeError(
            "with `fixed_seed` every submission is answered alike: leave `resubmissions` out, or "
            "the fixed seed"
        )
    wants = {access for attack in recipe.attacks for access in attack.access or recipe.access}
    if "transfer" in wants and not recipe.sources:
        raise RecipeError("access `transfer` needs `sources`: the models to make the images on")
    return recipe


@dataclass
class _Entry:
    """One list entry of a recipe, and where it stands; keys are taken out until none is left."""

    values: dict[str, Any]
    where: str

    def take(self, key: str) -> Any:
        return self.values.pop(key, None)

    def spec(self) -> tuple[str, dict[str, Any], str | None]:
        """What is left: name, parameters and target."""
        name, target = self.take("name"), self.take("target")
        if not isinstance(name, str) or not name:
            raise RecipeError(f"{self.where} needs a `name` (see `sallet list`)")
        if target is not None and ":" not in str(target):
            raise RecipeError(f"{self.where}.target must be `module:attribute`, not {target!r}")
        for key, value in self.values.items():
            if not isinstance(value, (str, int, float, bool, type(None))):
                raise RecipeError(f"{self.where}.{key} must be one value, not {value!r}")
        return name, dict(sorted(self.values.items())), target


def _each(data: dict[str, Any], key: str, make: Callable[[_Entry], T]) -> tuple[T, ...]:
    values = data.get(key) or []
    if not isinstance(values, list):
        raise RecipeError(f"`{key}` must be a list, not {values!r}")
    return tuple(make(_entry(value, f"{key}[{i}]")) for i, value in enumerate(values))


def _entry(value: object, where: str) -> _Entry:
    if isinstance(value, str):
        return _Entry({"name": value}, where)
    if isinstance(value, dict):
        return _Entry({str(key): part for key, part in value.items()}, where)
    raise RecipeError(f"{where} must be a name or a mapping with a `name`, not {value!r}")


def _model(entry: _Entry) -> Spec:
    """`{name: hf, path: X}` and plain `X` are the same model, called X."""
    if entry.values.get("name") == ENSEMBLE:
        raise RecipeError(f"{entry.where}: an ensemble answers nothing; it is one of `sources`")
    if "api_key" in entry.values:
        raise RecipeError(f"{entry.where}: keep keys out of recipes; set OPENAI_API_KEY")
    path = entry.take("path")
    if path is not None:
        if entry.take("name") not in (None, "hf"):
            raise RecipeError(f"{entry.where} has a `path`, so its name must be `hf`")
        entry.values["name"] = str(path)
    return Spec(*entry.spec())


def _source(entry: _Entry) -> Spec:
    """A model, or `{name: ensemble, of: [a, {name: b, ...}]}`."""
    if entry.values.get("name") != ENSEMBLE:
        return _model(entry)
    listed = entry.take("of")
    if not isinstance(listed, list) or len(listed) < 2 or entry.values != {"name": ENSEMBLE}:
        raise RecipeError(
            f"{entry.where}: an ensemble is a list `of` two models or more and nothing beside it"
        )
    parts = [_entry(one, f"{entry.where}.of[{i}]") for i, one in enumerate(listed)]
    return EnsembleSpec(ENSEMBLE, of=tuple(_model(part) for part in parts))


def _benchmark(entry: _Entry) -> BenchmarkSpec:
    limit = entry.take("limit")
    if limit is not None:
        limit = _whole(limit, f"{entry.where}.limit")
    return BenchmarkSpec(*entry.spec(), limit=limit)


def _defense(entry: _Entry) -> DefenseSpec:
    """`a+b` stacks by name; `{stack: [a, {name: b, ...}]}` gives layers their parameters."""
    layers = entry.take("stack")
    if layers is not None:
        if entry.values or not isinstance(layers, list) or not layers:
            raise RecipeError(f"{entry.where}: a `stack` is a list of layers and nothing beside it")
        parts = [_entry(layer, f"{entry.where}.stack[{i}]") for i, layer in enumerate(layers)]
        return DefenseSpec(tuple(Spec(*part.spec()) for part in parts))
    name, params, target = entry.spec()
    if "+" not in name:
        return DefenseSpec((Spec(name, params, target),))
    if params or target:
        raise RecipeError(
            f"{entry.where}: the stack {name!r} takes no parameters; write "
            "`stack: [layer, ...]` with each layer's own"
        )
    return DefenseSpec(tuple(Spec(layer) for layer in name.split("+")))


def _attack(entry: _Entry) -> AttackSpec:
    where = entry.where
    goal = _one_of(get_args(Kind), entry.take("goal"), f"{where}.goal")
    norm = _one_of(get_args(Norm), entry.take("norm"), f"{where}.norm")
    eps = _eps(entry.take("eps"), norm, f"{where}.eps")
    kept = {key: _names(entry.take(key), f"{where}.{key}") for key in ("benchmarks", "defenses")}
    access = _access(entry.take("access"), f"{where}.access")
    split = _one_of(("seen", "unseen"), entry.take("split"), f"{where}.split")
    name, params, target = entry.spec()
    if name == "none" and (goal or norm or eps is not None):
        raise RecipeError(f"{where}: the attack `none` has no goal, norm or eps")
    if name != "none" and goal is None:
        raise RecipeError(f"{where}: the attack {name!r} needs a goal: {', '.join(get_args(Kind))}")
    if access and name in BLIND:
        raise RecipeError(f"{where}: the attack {name!r} looks at no model; drop its `access`")
    return AttackSpec(name, params, target, goal, norm, eps, **kept, access=access, split=split)


def _eps(value: object, norm: str | None, where: str) -> float | None:
    if value is None:
        return None
    scale = "in 8-bit units: write 8 for 8/255"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RecipeError(f"{where} must be a number {scale}; this is {value!r}")
    if value <= 0 or (norm != "l2" and value > 255):
        raise RecipeError(f"{where} must be above 0 and at most 255, {scale}; this is {value:g}")
    if value < 1:
        raise RecipeError(f"{where} is {value:g}, less than a step of a saved image; it is {scale}")
    return float(value)


def _access(value: object, where: str) -> tuple[Asked, ...]:
    return tuple(_one_of(get_args(Asked), name, where) for name in _names(value, where))


def _names(value: object, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value or []
    if not isinstance(values, list) or not all(isinstance(name, str) for name in values):
        raise RecipeError(f"{where} must be a name or a list of names, not {value!r}")
    return tuple(values)


def _text(value: object, where: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise RecipeError(f"{where} must be a name, not {value!r}")
    return value


def _switch(value: object, where: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise RecipeError(f"{where} must be true or false, not {value!r}")
    return bool(value)


def _one_of(choices: Sequence[str], value: Any, where: str) -> Any:
    if value is not None and value not in choices:
        raise UnknownName(where, str(value), choices)
    return value


def _whole(value: object, where: str, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise RecipeError(f"{where} must be a whole number from {least} up, not {value!r}")
    return value
