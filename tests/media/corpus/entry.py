"""What a file of the corpus is, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sallet.core.errors import MediaError
from sallet.media.flags import Flag
from sallet.media.limits import Sees


@dataclass(frozen=True, eq=False)
class Entry:
    """A file and its fate: refused with one error, or repaired to `expected`.

    An image is expected as pixels `[h,w,3]`, a sound as 16-bit samples `[channels,n]`; both within
    `tolerance` steps.
    """

    name: str
    made: Callable[[], bytes]
    refused: type[MediaError] | None = None
    expected: npt.NDArray[Any] | None = None
    tolerance: int = 0
    flags: frozenset[Flag] = frozenset()
    claimed: str | None = None
    sees: Sees | None = None
    sound: bool = False
    rate: int = 0


def refused(
    name: str,
    made: bytes | Callable[[], bytes],
    error: type[MediaError],
    *,
    claimed: str | None = None,
    sound: bool = False,
) -> Entry:
    return Entry(name, _later(made), error, claimed=claimed, sound=sound)


def repaired(
    name: str,
    made: bytes | Callable[[], bytes],
    expected: npt.NDArray[Any],
    *flags: Flag,
    tolerance: int = 0,
    claimed: str | None = None,
    sees: Sees | None = None,
) -> Entry:
    return Entry(
        name,
        _later(made),
        expected=expected,
        tolerance=tolerance,
        flags=frozenset(flags),
        claimed=claimed,
        sees=sees,
    )


def heard(
    name: str,
    made: bytes | Callable[[], bytes],
    expected: npt.NDArray[Any],
    *flags: Flag,
    rate: int = 16_000,
    tolerance: int = 0,
) -> Entry:
    return Entry(
        name,
        _later(made),
        expected=expected,
        tolerance=tolerance,
        flags=frozenset(flags),
        sound=True,
        rate=rate,
    )


def _later(made: bytes | Callable[[], bytes]) -> Callable[[], bytes]:
    return made if callable(made) else lambda: made
