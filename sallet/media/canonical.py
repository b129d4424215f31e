"""Every image enters here: bytes from anywhere, canonical RGB pixels out.

What is measured is what is served: attack scoring, evaluation and the gateway all take an image
through this function, in this process or in a worker, and get the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sallet.core.image import Image
from sallet.media.decode import Decoded, decode
from sallet.media.flags import Flag
from sallet.media.header import Format
from sallet.media.limits import STRANGERS, Limits, Sees


@dataclass(frozen=True)
class Canonical:
    """An image of 8-bit RGB pixels with nothing beside them, and what was found on the way.

    The PNG of a canonical image has the same canonical image, and no flags.
    """

    image: Image
    format: Format
    flags: frozenset[Flag]

    @property
    def digest(self) -> str:
        """SHA-256 over mode, size and pixels."""
        return self.image.digest


def canonical(
    data: bytes,
    *,
    limits: Limits = STRANGERS,
    sees: Sees | None = None,
    claimed: str | None = None,
) -> Canonical:
    """The canonical image in a file's bytes, or a `MediaError` with a fixed text.

    It is decoded in this process. For bytes from strangers use `worker.Workers`, which do the same
    under a limit of memory and time. `claimed` is the MIME type that the sender named, if any.
    """
    return dressed(decode(data, limits=limits, sees=sees, claimed=claimed))


def dressed(decoded: Decoded) -> Canonical:
    """Decoded pixels as an image."""
    pixels = np.frombuffer(decoded.pixels, np.uint8)
    pixels.flags.writeable = False
    shape = (decoded.height, decoded.width, 3)
    return Canonical(Image(pixels.reshape(shape)), decoded.format, decoded.flags)
