"""From a file's bytes to canonical pixels: the one decoder of the project.

Nothing here imports torch or numpy, so that a worker process is small and starts at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final, cast

from PIL import Image as Pil
from PIL import ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from sallet.core.errors import Broken, MediaError, TooManyPixels, TooMuchMemory
from sallet.media.flags import Flag
from sallet.media.formats import inspect
from sallet.media.header import Format, require
from sallet.media.limits import Limits, Sees

WHITE: Final = (255, 255, 255)
VISIBLE: Final = 16  # 8-bit steps between the image over black and over white
FILTER: Final = Pil.Resampling.BICUBIC

_UPRIGHT: Final = {
    2: Pil.Transpose.FLIP_LEFT_RIGHT,
    3: Pil.Transpose.ROTATE_180,
    4: Pil.Transpose.FLIP_TOP_BOTTOM,
    5: Pil.Transpose.TRANSPOSE,
    6: Pil.Transpose.ROTATE_270,
    7: Pil.Transpose.TRANSVERSE,
    8: Pil.Transpose.ROTATE_90,
}
# The classes themselves: `Image.open` would also try what other software has registered.
_OPENERS: Final[Mapping[Format, Callable[[BytesIO], ImageFile.ImageFile]]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
}


@dataclass(frozen=True)
class Decoded:
    """RGB pixels, 8 bits each, row by row; and what was found on the way."""

    format: Format
    width: int
    height: int
    pixels: bytes | bytearray = field(repr=False)
    flags: frozenset[Flag]


def decode(
    data: bytes, *, limits: Limits, sees: Sees | None = None, claimed: str | None = None
) -> Decoded:
    """The canonical pixels of an image file, or a `MediaError`, and never another error.

    The same bytes, limits and `sees` give the same pixels in every process.
    """
    refused: type[MediaError]
    try:
        return _decode(data, limits, sees, claimed)
    except MediaError as error:
        refused = type(error)
    except Pil.DecompressionBombError:  # limits beyond Pillow's own
        refused = TooManyPixels
    except MemoryError:
        refused = TooMuchMemory
    except Exception:  # whatever a codec has to say about hostile bytes
        refused = Broken
    # Outside of the handler: the codec's own words, and the bytes in them, are not chained to it.
    raise refused


def _decode(data: bytes, limits: Limits, sees: Sees | None, claimed: str | None) -> Decoded:
    header = inspect(data, limits=limits, claimed=claimed)
    flags = set(header.flags)
    image = _load(header.format, header.stripped())
    require(image.size == (header.width, header.height))
    last = (0, image.height - 1, image.width, image.height)
    require(header.whole(image.crop(last).getbbox(alpha_only=False) is None))
    image = _flat(image, flags)
    if header.orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[header.orientation])
    size = sees.fit(*image.size) if sees else image.size
    if size != image.size:
        image = image.resize(size, FILTER)
        flags.add("downscaled")
    return Decoded(header.format, *image.size, image.tobytes(), frozenset(flags))


def _load(form: Format, data: bytes) -> Pil.Image:
    """Every pixel, or an error."""
    with _whole_files_only():
        image = _OPENERS[form](BytesIO(data))
        image.decodermaxblock = max(len(data), image.decodermaxblock)
        image.load()
    return image


def _flat(image: Pil.Image, flags: set[Flag]) -> Pil.Image:
    """RGB; what is transparent shows white."""
    if image.mode.startswith("I;16"):
        # Pillow would clip at 255 and not scale: every second byte is the high one.
        image = Pil.frombytes("L", image.size, image.tobytes()[1::2])
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layers = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = layers.getchannel("A")
    lowest, _ = cast(tuple[int, int], alpha.getextrema())
    # Over white a pixel is brighter than over black by exactly 255 - alpha, in every channel.
    apart = 255 - lowest
    if apart == 0:
        return layers.convert("RGB")
    flags.add("alpha")
    if apart > VISIBLE:
        flags.add("alpha-hides")
    flat = Pil.new("RGB", layers.size, WHITE)
    flat.paste(layers, mask=alpha)
    return flat


_strictness = threading.Lock()
_inside = 0
_wished = False


@contextmanager
def _whole_files_only() -> Generator[None]:
    """Pillow refuses a truncated file within it, even where the program has asked it not to.

    The setting is the whole process's; it is put back when the last thread is done.
    """
    global _inside, _wished
    with _strictness:
        if _inside == 0:
            _wished, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _inside += 1
    try:
        yield
    finally:
        with _strictness:
            _inside -= 1
            if _inside == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = _wished
