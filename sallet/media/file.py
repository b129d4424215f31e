"""An image file as a source of pixels: read when looked at, never kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sallet.core.errors import InputError, MediaError
from sallet.core.image import Image, Pixels
from sallet.media.canonical import Canonical, canonical
from sallet.media.formats import inspect
from sallet.media.limits import LOCAL, Limits, Sees


@dataclass(frozen=True)
class ImageFile:
    """A PNG, JPEG, WebP or GIF on this machine; its pixels are the canonical ones.

    Errors name the path, which is the user's own.
    """

    path: Path
    limits: Limits = LOCAL
    sees: Sees | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as `load` will give them; nothing is decoded."""
        return self._size

    @cached_property
    def _size(self) -> tuple[int, int]:
        try:
            height, width = inspect(self._read(), limits=self.limits).size
        except MediaError as error:
            raise type(error)(self.path) from None
        if self.sees:
            width, height = self.sees.fit(width, height)
        return height, width

    def load(self) -> Pixels:
        """RGB pixels."""
        return self.canonical().image.pixels()

    def canonical(self) -> Canonical:
        """The pixels, and what was found in the file."""
        try:
            return canonical(self._read(), limits=self.limits, sees=self.sees)
        except MediaError as error:
            raise type(error)(self.path) from None

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                # One byte more than the limit is enough to know that there are too many.
                return file.read(self.limits.encoded + 1)
        except FileNotFoundError:
            raise InputError(f"there is no image at {self.path}; check the path") from None
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read ({error.strerror}); name an image that you may open"
            ) from None


def open_image(path: str | Path, *, limits: Limits = LOCAL, sees: Sees | None = None) -> Image:
    """The image in a file. Its header is read now, so a wrong file is an error here."""
    source = ImageFile(Path(path), limits, sees)
    _ = source.size
    return Image(source)
