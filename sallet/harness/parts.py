"""From the names of a recipe to the objects they mean; wrong names and parameters stop here."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sallet import catalog
from sallet.core.compose import Pinned, Stack
from sallet.core.errors import RecipeError, UnknownName, UsageError
from sallet.core.protocols import Attack, Defense, Judge, Model
from sallet.core.sample import Benchmark
from sallet.runs.recipe import (
    AttackSpec,
    BenchmarkSpec,
    DefenseSpec,
    EnsembleSpec,
    Recipe,
    Spec,
    members,
)

HUGGING_FACE = "sallet.models.local:HFModel.from_pretrained"
TOWER = "sallet.models.towers:Tower.from_pretrained"
ENCODERS = ("clip", "siglip", "siglip2")  # model types of a folder's config
REMOTE = "sallet.models.remote:RemoteModel"
OPENAI = "openai/"
BUDGET = ("eps", "norm", "steps")
"""What has flags of its own, though not every attack has it."""
OWN = ("name", "gradient", "stochastic")  # what a defence says of itself: no parameters

S = TypeVar("S", bound=Spec)


@dataclass
class Parts:
    """Builds what a recipe names; models are loaded when they are first needed."""

    device: str | None = None
    _models: dict[str, Model] = field(default_factory=dict[str, Model], init=False)
    _judges: dict[str, Judge] = field(default_factory=dict[str, Judge], init=False)

    def model(self, spec: Spec) -> Model:
        """The model of this spec, loaded once; an ensemble's members are those of their own."""
        if isinstance(spec, EnsembleSpec):
            from sallet.models.ensemble import Ensemble

            return Ensemble(tuple(self.model(one) for one in spec.of))
        key = repr(spec)
        if key not in self._models:
            make = constructor("model", spec)
            params = dict(spec.params)
            if self.device and "device" in inspect.signature(make).parameters:
                params["device"] = self.device
            self._models[key] = make(**params)
        return self._models[key]

    def forget_models(self, *but: Spec) -> None:
        """Frees the memory of every model but these."""
        keep = {repr(one) for spec in but for one in members(spec)}
        self._models = {key: model for key, model in self._models.items() if key in keep}

    def attack(self, spec: AttackSpec) -> Attack:
        """The attack, with its budget where it has one."""
        budget = {"norm": spec.norm, "eps": spec.eps}
        given = {key: value for key, value in budget.items() if value is not None}
        return constructor("attack", spec)(**given, **spec.params)

    def defense(self, spec: DefenseSpec, seed: int | None = None) -> Defense:
        """The defence, or the stack; pinned to a seed, if there is one."""
        layers = [constructor("defense", layer)(**layer.params) for layer in spec.layers]
        built = layers[0] if len(layers) == 1 else Stack(*layers)
        return built if seed is None else Pinned(built, seed)

    def benchmark(self, spec: BenchmarkSpec) -> Benchmark:
        """The benchmark."""
        return constructor("benchmark", spec)(**spec.params)

    def judge(self, name: str) -> Judge:
        """The judge that a benchmark names; a plug-in's may be `module:attribute`.

        `rubric@model` is a judge that asks a model, and says at once if it names none.
        """
        if name not in self._judges:
            plain, _, model = name.partition("@")
            target = plain if ":" in plain else None
            spec = Spec(plain, {"model": model} if model else {}, target)
            _checked("judge", spec)
            built = constructor("judge", spec)(**spec.params)
            check = getattr(built, "check", None)
            if check is not None:
                check()
            self._judges[name] = built
        return self._judges[name]


def constructor(kind: catalog.Kind, spec: Spec) -> Callable[..., Any]:
    """What makes the object of this spec, to be called with its parameters."""
    if spec.target:
        return _attribute(spec.target)
    if kind == "model" and spec.name not in catalog.table("model"):
        return _foreign(spec.name)
    return _Listed(kind, spec.name)


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with its names checked, and the defaults of attacks and defences written out."""
    for spec in (*recipe.models, *(one for source in recipe.sources for one in members(source))):
        _checked("model", spec)
    for spec in recipe.benchmarks:
        _checked("benchmark", spec)
    return replace(
        recipe,
        attacks=tuple(_filled("attack", spec) for spec in recipe.attacks),
        defenses=tuple(
            DefenseSpec(tuple(_filled("defense", layer) for layer in defense.layers))
            for defense in recipe.defenses
        ),
    )


def _checked(kind: catalog.Kind, spec: Spec) -> Mapping[str, inspect.Parameter]:
    """The parameters that this spec's constructor takes; its own are among them."""
    signature = inspect.signature(constructor(kind, spec)).parameters
    budget = {key: getattr(spec, key, None) for key in ("norm", "eps")}
    given = [*spec.params, *(key for key, value in budget.items() if value is not None)]
    if not any(p.kind is p.VAR_KEYWORD for p in signature.values()):
        for key in given:
            if key not in signature and kind == "attack" and key in BUDGET:
                raise RecipeError(
                    f"the attack {spec.name!r} has no {key}; its options are "
                    f"{', '.join(_options(signature))}"
                )
            if key not in signature:
                raise UnknownName(f"parameter of {kind} {spec.name!r}:", key, signature)
    for key, value in spec.params.items():
        whole = key in signature and signature[key].annotation in (int, "int")
        if whole and (isinstance(value, bool) or not isinstance(value, int)):
            raise RecipeError(f"{key} of {kind} {spec.name!r} is a whole number; got {value!r}")
        _same_kind(f"{key} of {kind} {spec.name!r}", value, signature.get(key))
    return signature


def _options(signature: Mapping[str, inspect.Parameter]) -> list[str]:
    """Parameters with their defaults, as one would write them."""
    return [
        key if one.default in (one.empty, None, "") else f"{key}={one.default}"
        for key, one in signature.items()
        if key not in OWN
    ]


def _same_kind(what: str, value: Any, parameter: inspect.Parameter | None) -> None:
    """A number where the default is one, a text where it is one; `null` where it may be."""
    default = parameter.default if parameter else None
    for wanted, name in ((bool, "true or false"), ((int, float), "a number"), (str, "a text")):
        if isinstance(default, wanted):
            if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
                raise RecipeError(f"{what} is {name} ({default!r} by default); got {value!r}")
            return


def _filled(kind: catalog.Kind, spec: S) -> S:
    defaults = {
        key: parameter.default
        for key, parameter in _checked(kind, spec).items()
        if isinstance(parameter.default, (str, int, float, bool)) and key not in OWN
    }
    if isinstance(spec, AttackSpec):
        norm, eps = defaults.pop("norm", None), defaults.pop("eps", None)
        spec = replace(spec, norm=spec.norm or norm, eps=eps if spec.eps is None else spec.eps)
    return replace(spec, params=dict(sorted({**defaults, **spec.params}.items())))


def listed(kind: catalog.Kind, name: str) -> Any:
    """What a catalogue entry builds: a class, or a function that makes one."""
    return _attribute(catalog.entry(kind, name).target)


class _Listed:
    """A catalogue entry: built by the catalogue, with the signature of what it builds."""

    def __init__(self, kind: catalog.Kind, name: str) -> None:
        self.kind: catalog.Kind = kind
        self.name = name
        self.__signature__ = inspect.signature(listed(kind, name))

    def __call__(self, **params: Any) -> Any:
        return catalog.build(self.kind, self.name, **params)


def _foreign(name: str) -> Callable[..., Any]:
    """A model that the catalogue does not list: an endpoint's, a folder's or the hub's."""
    if name.startswith(OPENAI):
        return _first(_attribute(REMOTE), name.removeprefix(OPENAI))
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise RecipeError(f"there is no folder {name}; give a checkpoint's folder or a hub name")
    listed_family = name.partition("/")[0] in {known.partition("/")[0] for known in catalog.MODELS}
    if _encodes(Path(name).expanduser()):
        return _first(_attribute(TOWER), name)
    if Path(name).exists() or name.endswith(".gguf") or ("/" in name and not listed_family):
        return _first(_attribute(HUGGING_FACE), name)
    raise UnknownName("model", name, catalog.MODELS)


def _encodes(folder: Path) -> bool:
    """Whether a folder holds an encoder of pictures and texts."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") in ENCODERS


def _first(make: Callable[..., Any], value: str) -> Callable[..., Any]:
    """`make` with its first argument given."""
    _, *rest = inspect.signature(make).parameters.values()

    def build(**params: Any) -> Any:
        return make(value, **params)

    build.__signature__ = inspect.Signature(rest)  # pyright: ignore[reportFunctionMemberAccess]
    return build


def _attribute(target: str) -> Any:
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"cannot find {target!r}: {error}") from error
    return found
