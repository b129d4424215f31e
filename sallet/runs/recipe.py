"""A `Recipe`: what to evaluate, frozen. Its digest says whether two runs are the same run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sallet.core.goal import Kind
from sallet.runs.record import Scalar

Asked: TypeAlias = Literal["oblivious", "adaptive", "transfer"]
Norm: TypeAlias = Literal["linf", "l2"]

CONTROLS = ("none", "uniform-noise")
"""What is not an attack, but what attacks are told from."""
BLIND = (*CONTROLS, "figstep", "typo", "mislabel")
"""Attacks that look at no model: their access is *none*, and one set of images serves all."""
BLACK_BOX = ("square", "nes")
"""Attacks that only ask: where they do more than the gradient does, the gradient is masked."""
ENSEMBLE = "ensemble"
"""The name of a source that is several: `{name: ensemble, of: [a, b]}`."""
FIXED_SEED = "evaluation.fixed_seed"
"""Among the parameters of a cell whose one defence seed the attacker knew."""


@dataclass(frozen=True)
class Spec:
    """A catalogue name and its parameters; with a `target` (`module:attribute`), a plug-in."""

    name: str
    params: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    target: str | None = None


@dataclass(frozen=True)
class EnsembleSpec(Spec):
    """Several sources that images are made on together."""

    of: tuple[Spec, ...] = ()


def members(spec: Spec) -> tuple[Spec, ...]:
    """Each model of an ensemble; any other is itself."""
    return spec.of if isinstance(spec, EnsembleSpec) else (spec,)


@dataclass(frozen=True)
class BenchmarkSpec(Spec):
    """A benchmark, and how many of its samples."""

    limit: int | None = None


@dataclass(frozen=True)
class AttackSpec(Spec):
    """An attack, its goal and budget, and the benchmarks, defences and access it is kept to.

    `eps` is in 8-bit units in either norm; an empty restriction means everything. `split` says
    whether a trained defence has `seen` its like; it decides nothing but where figures are put.
    """

    goal: Kind | None = None
    norm: Norm | None = None
    eps: float | None = None
    benchmarks: tuple[str, ...] = ()
    defenses: tuple[str, ...] = ()
    access: tuple[Asked, ...] = ()
    split: str | None = None

    @property
    def blind(self) -> bool:
        """Whether it looks at no model at all."""
        return self.name in BLIND


@dataclass(frozen=True)
class DefenseSpec:
    """A defence, or a stack of them, outermost first."""

    layers: tuple[Spec, ...]

    @property
    def name(self) -> str:
        """`a`, or `a+b+c`."""
        return "+".join(layer.name for layer in self.layers)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what the rows of a run will say (the device does not)."""

    name: str
    models: tuple[Spec, ...]
    benchmarks: tuple[BenchmarkSpec, ...]
    attacks: tuple[AttackSpec, ...] = (AttackSpec("none"),)
    access: tuple[Asked, ...] = ("oblivious", "adaptive")
    sources: tuple[Spec, ...] = ()
    defenses: tuple[DefenseSpec, ...] = (DefenseSpec((Spec("none"),)),)
    seed: int = 0
    resubmissions: int = 1
    attack_batch: int = 40
    judge: str | None = None  # in place of each benchmark's own
    second_judge: str | None = None  # `none`: no second one; left out: one that reads words
    fixed_seed: bool = False  # one defence seed for everything, known to the attacker

    def as_dict(self) -> dict[str, Any]:
        """The recipe in the shape of its YAML file; reading that gives an equal recipe."""
        return {
            "name": self.name,
            "seed": self.seed,
            "models": [_plain(spec) for spec in self.models],
            "benchmarks": [_plain(spec, limit=spec.limit) for spec in self.benchmarks],
            "attacks": [_attack(spec) for spec in self.attacks],
            "access": list(self.access),
            "sources": [_source(spec) for spec in self.sources],
            "defenses": [_defense(spec) for spec in self.defenses],
            "resubmissions": self.resubmissions,
            "attack_batch": self.attack_batch,
            **({"judge": self.judge} if self.judge else {}),
            **({"second_judge": self.second_judge} if self.second_judge else {}),
            **({"fixed_seed": True} if self.fixed_seed else {}),
        }

    @property
    def digest(self) -> str:
        """SHA-256 over every field."""
        return digest(self.as_dict())


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON, as 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each field that differs, by its dotted path: `attacks.1.eps: 8 -> 4`."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{path}: {_show(before, path)} -> {_show(after, path)}"
        for path in [*before, *(path for path in after if path not in before)]
        if _show(before, path) != _show(after, path)
    ]


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        items: Sequence[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return [(path, value)]
    if not items:
        return [(path, value)]
    return [leaf for key, part in items for leaf in _leaves(part, f"{path}.{key}".lstrip("."))]


def _show(leaves: Mapping[str, Any], path: str) -> str:
    return repr(leaves[path]) if path in leaves else "(not there)"


def _plain(spec: Spec, **more: object) -> dict[str, Any]:
    shown = {"name": spec.name, "target": spec.target, **more, **spec.params}
    return {key: value for key, value in shown.items() if value is not None}


def _source(spec: Spec) -> dict[str, Any]:
    of = [_plain(one) for one in members(spec)] if isinstance(spec, EnsembleSpec) else None
    return _plain(spec, of=of)


def _attack(spec: AttackSpec) -> dict[str, Any]:
    restrictions = {
        "benchmarks": list(spec.benchmarks) or None,
        "defenses": list(spec.defenses) or None,
        "access": list(spec.access) or None,
    }
    kept = {**restrictions, "split": spec.split}
    return _plain(spec, goal=spec.goal, norm=spec.norm, eps=spec.eps, **kept)


def _defense(spec: DefenseSpec) -> dict[str, Any]:
    layers = [_plain(layer) for layer in spec.layers]
    return layers[0] if len(layers) == 1 else {"stack": layers}
