"""Which cells belong together: their keys agree in all but what is set against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType

from sallet.runs.record import CellKey, Scalar

FREE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "model": ("model", "params.model."),
        "defense": ("defense", "params.defense."),
        "attack": ("attack", "access", "source", "params.attack.", "params.source."),
        "access": ("access", "source", "params.source."),
        "eps": ("eps",),
        "judge": ("judge",),
    }
)
"""What differs between cells that are set against each other by this; a part's name and settings
go together."""


def values(key: CellKey) -> dict[str, Scalar]:
    """The key as one level: an attack's own parameters are `params.attack.*`."""
    flat = dict(vars(key))
    for name, value in flat.pop("params").items():
        flat[f"params.{name}" if "." in name else f"params.attack.{name}"] = value
    return flat


def place(key: CellKey, *free: str) -> Hashable:
    """Equal for keys that agree in all but the named values, or those that begin so (`params.`)."""
    return tuple(
        sorted((name, repr(value)) for name, value in values(key).items() if not _in(name, free))
    )


def namer(keys: Iterable[CellKey], by: str) -> Callable[[CellKey], str]:
    """What a cell is called beside these: its name, and the settings in which namesakes differ.

    `jpeg (quality 75)`; an attack with its access: `pgd adaptive`.
    """
    prefixes = [name for name in FREE[by] if name.endswith(".")]
    known: dict[str, list[dict[str, Scalar]]] = {}
    for key in keys:
        found = known.setdefault(name_of(key, by), [])
        if (own := _settings(key, prefixes)) not in found:
            found.append(own)
    differing = {name: _differing(found) for name, found in known.items()}

    def name(key: CellKey) -> str:
        plain = name_of(key, by)
        if by == "attack" and key.access != "none":
            plain += f" {key.access}" + (f" from {key.source}" if key.source else "")
        own = _settings(key, prefixes)
        shown = [
            f"{one.rpartition('.')[2]} {own.get(one)}"
            for one in differing.get(name_of(key, by), ())
        ]
        return f"{plain} ({', '.join(shown)})" if shown else plain

    return name


def name_of(key: CellKey, by: str) -> str:
    """The value of `by` as a user types it: `none`, `8`."""
    value = getattr(key, by)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _settings(key: CellKey, prefixes: Iterable[str]) -> dict[str, Scalar]:
    return {name: value for name, value in values(key).items() if name.startswith(tuple(prefixes))}


def _differing(known: Sequence[Mapping[str, Scalar]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for own in known for name in own)
    return tuple(name for name in names if len({repr(own.get(name)) for own in known}) > 1)


def _in(name: str, free: Iterable[str]) -> bool:
    return any(name == one or (one.endswith(".") and name.startswith(one)) for one in free)
