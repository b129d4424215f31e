"""What a worker says, believed only when it holds together: it may have been taken over."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast, get_args

from sallet.core.errors import Broken
from sallet.media.child import Said
from sallet.media.decode import Decoded
from sallet.media.flags import FLAGS, Flag
from sallet.media.header import Format, require
from sallet.media.limits import Limits, Sees
from sallet.media.sound import Sound, SoundFormat


def image(said: Said, pixels: bytearray, limits: Limits, sees: Sees | None) -> Decoded:
    """The pixels of an image within the limits, or `Broken`."""
    width, height = _whole(said, "width"), _whole(said, "height")
    require(width * height * 3 == len(pixels))
    require(max(width, height) <= limits.side and width * height <= limits.pixels)
    require(sees is None or sees.fit(width, height) == (width, height))
    form = _one_of(said, "format", get_args(Format))
    return Decoded(form, width, height, pixels, _flags(said))


def sound(said: Said, samples: bytearray, limits: Limits) -> Sound:
    """The samples of a sound within the limits, or `Broken`."""
    rate, channels = _whole(said, "rate"), _whole(said, "channels")
    require(limits.lowest_rate <= rate <= limits.highest_rate and channels <= limits.channels)
    frames, rest = divmod(len(samples), 2 * channels)
    require(rest == 0 and 0 < frames <= limits.seconds * rate)
    form = _one_of(said, "format", get_args(SoundFormat))
    return Sound(form, rate, channels, samples, _flags(said))


def _whole(said: Said, name: str) -> int:
    value = said.get(name)
    if type(value) is not int or value < 1:
        raise Broken
    return value


def _one_of(said: Said, name: str, known: Collection[Any]) -> Any:
    value = said.get(name)
    require(isinstance(value, str) and value in known)
    return value


def _flags(said: Said) -> frozenset[Flag]:
    found = said.get("flags")
    if not isinstance(found, list):
        raise Broken
    flags = cast(list[object], found)
    require(all(isinstance(flag, str) and flag in FLAGS for flag in flags))
    return frozenset(cast(list[Flag], flags))
