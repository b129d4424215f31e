"""What was found in a file that was taken: a fixed vocabulary, for logs and for policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Flag: TypeAlias = Literal[
    "16-bit",
    "alpha",
    "alpha-hides",
    "animated",
    "bad-exif",
    "clipped",
    "cmyk",
    "downscaled",
    "icc",
    "metadata",
    "requantised",
    "rotated",
    "trailing-bytes",
]

FLAGS: Final[Mapping[Flag, str]] = {
    "16-bit": "16 bits a channel; the high 8 are kept",
    "alpha": "some of it was not opaque; it is shown over white",
    "alpha-hides": "over black and over white it looks different: a viewer may see another image",
    "animated": "more frames follow; only the first is kept",
    "bad-exif": "its EXIF cannot be read, and was ignored",
    "clipped": "samples beyond full scale were cut to it",
    "cmyk": "four inks, converted to RGB without a profile",
    "downscaled": "made smaller, to what the model will see",
    "icc": "a colour profile or an unusual gamma was dropped, not applied",
    "metadata": "text, EXIF, XMP, tags or other data beside the content was dropped",
    "requantised": "more than 16 bits a sample; rounded to 16",
    "rotated": "turned or mirrored as its EXIF orientation says",
    "trailing-bytes": "something follows the end of the content, and was dropped",
}
