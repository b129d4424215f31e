"""The one thing that EXIF is read for: which way is up."""

from __future__ import annotations

import struct

UPRIGHT = 1
_ORIENTATION = 0x0112
_SHORT = 3
_ENTRIES = 512


def orientation(exif: bytes) -> int | None:
    """The orientation, 1 to 8, in the first directory; 1 if there is none, None if unreadable."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for index in range(min(count, _ENTRIES)):
            tag, kind, many, value = struct.unpack_from(
                f"{order}HHIH", exif, start + 2 + 12 * index
            )
            if tag == _ORIENTATION:
                return value if (kind, many) == (_SHORT, 1) and 1 <= value <= 8 else None
    except struct.error:
        return None
    return UPRIGHT
