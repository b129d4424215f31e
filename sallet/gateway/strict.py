"""From a mapping to frozen dataclasses: an unknown key, or a value of another kind, is an error.

What is wrong is said by its place, and for a key with the nearest ones that there are.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sallet.core.errors import UnknownName, UsageError

T = TypeVar("T")


def build(kind: type[T], data: Any, place: str) -> T:
    """A `kind` of the mapping `data`, which stands at `place`."""
    if not isinstance(data, dict):
        raise UsageError(f"{place} should be a mapping; it is {shown(data)}")
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # pyright: ignore[reportArgumentType]
    for key in data:
        if key not in names:
            raise UnknownName(f"key of {place}:", str(key), names)
    made = {key: value_of(hints[key], value, f"{place}.{key}") for key, value in data.items()}
    for field in fields(kind):  # pyright: ignore[reportArgumentType]
        needed = field.default is MISSING and field.default_factory is MISSING
        if needed and field.name not in made:
            raise UsageError(f"{place} needs {field.name}")
    try:
        return kind(**made)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def value_of(kind: Any, value: Any, place: str) -> Any:
    """The value as its annotation wants it, or an error that names the place."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        (kind,) = [one for one in args if one is not type(None)]
        return value_of(kind, value, place)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise UnknownName(f"value of {place}:", str(value), map(str, args))
        return value
    if origin is tuple:
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list):
            _wrong(place, "a list", value)
        return tuple(value_of(args[0], one, f"{place}[{i}]") for i, one in enumerate(value))
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            _wrong(place, "a mapping", value)
        return {str(key): value_of(args[1], one, f"{place}.{key}") for key, one in value.items()}
    if is_dataclass(kind):
        return build(kind, value, place)  # pyright: ignore[reportArgumentType]
    return _plain(kind, value, place)


def _plain(kind: Any, value: Any, place: str) -> Any:
    if kind is Any:
        return value
    if kind is bool:
        return value if isinstance(value, bool) else _wrong(place, "true or false", value)
    if kind is int:
        return value if type(value) is int else _wrong(place, "a whole number", value)
    if kind is float:
        known = type(value) in (int, float) and math.isfinite(value)
        return float(value) if known else _wrong(place, "a number", value)
    if kind is str:
        return value if isinstance(value, str) else _wrong(place, "a text", value)
    raise TypeError(f"{place} is of a kind that cannot be read: {kind}")


def _wrong(place: str, wanted: str, value: Any) -> Any:
    raise UsageError(f"{place} should be {wanted}; it is {shown(value)}")


def shown(value: object) -> str:
    """A value for a message, never a long one."""
    text = repr(value)
    return "missing" if value is None else text if len(text) <= 60 else f"{text[:60]}..."
