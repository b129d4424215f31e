"""An image file as a source of pixels: read when looked at, never kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pil
from PIL import ImageOps, UnidentifiedImageError

from sallet.core.errors import InputError
from sallet.core.image import Image, Pixels

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class ImageFile:
    """A PNG, JPEG, WebP or GIF (first frame); upright, without alpha, and nothing but pixels."""

    path: Path

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, from the header."""
        with self._open() as file:
            # A PNG's EXIF may lie behind its pixels; reading it would decode them.
            turned = file.format != "PNG" and file.getexif().get(0x0112, 1) >= 5
            return (file.width, file.height) if turned else (file.height, file.width)

    def load(self) -> Pixels:
        """RGB pixels; transparent parts over black."""
        try:
            with self._open() as file:
                upright = ImageOps.exif_transpose(file)
                if upright.has_transparency_data:
                    layered = upright.convert("RGBA")
                    upright = Pil.new("RGBA", layered.size, "black")
                    upright.alpha_composite(layered)
                return np.asarray(upright.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(
                f"{self.path} is a broken image ({error}); save it again as PNG and retry"
            ) from None

    def _open(self) -> Pil.Image:
        try:
            file = Pil.open(self.path, formats=FORMATS)
        except FileNotFoundError:
            raise InputError(f"there is no image at {self.path}; check the path") from None
        except (UnidentifiedImageError, Pil.DecompressionBombError, OSError):
            raise InputError(
                f"{self.path} is not a readable image; expected {', '.join(FORMATS)}: "
                "convert it to PNG"
            ) from None
        if file.width * file.height > MAX_PIXELS:
            size = f"{file.width}x{file.height}"
            file.close()
            raise InputError(
                f"{self.path} has {size} pixels; the most is {MAX_PIXELS:,}: scale it down"
            )
        return file


def open_image(path: str | Path) -> Image:
    """The image in a file. Its header is read now, so a wrong file is an error here."""
    source = ImageFile(Path(path))
    _ = source.size
    return Image(source)
