"""What is no picture, or of a format that is not read."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from sallet.core.errors import TooManyBytes, UnknownFormat
from tests.media.corpus.build import PICTURE, SECRET, SIGNATURE, png, saved
from tests.media.corpus.entry import Entry, refused

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>' + SECRET + b"</script></svg>"


def entries() -> Iterator[Entry]:
    noise = np.random.default_rng(4).integers(0, 256, 4096, dtype=np.uint8).tobytes()
    for name, data in {
        "empty": b"",
        "one-byte": b"\x89",
        "noise": noise,
        "text": SECRET,
        "html": b"<!doctype html>" + SECRET,
        "svg": SVG,
        "svg-with-prolog": b'<?xml version="1.0"?>' + SVG,
        "pdf": b"%PDF-1.7\n" + SECRET,
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" + SECRET,
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + SECRET,
        "heic": struct.pack(">I", 24) + b"ftypheic" + bytes(12) + SECRET,
        "avif": struct.pack(">I", 24) + b"ftypavif" + bytes(12) + SECRET,
        "jpeg-2000-stream": b"\xff\x4f\xff\x51" + SECRET,
        "jpeg-xl": b"\xff\x0a" + SECRET,
        "fits": b"SIMPLE  =                    T".ljust(80) + SECRET,
        "zip": b"PK\x03\x04" + SECRET,
        "elf": b"\x7fELF" + SECRET,
        "ogg": b"OggS" + SECRET,
        "png-behind-a-blank": b" " + png(PICTURE),
        "png-signature-in-text": SIGNATURE.replace(b"\r\n", b"\n") + png(PICTURE)[8:],
    }.items():
        yield refused(f"other-{name}", data, UnknownFormat)
    for form in ("TIFF", "BMP", "ICO", "PPM", "TGA", "DDS", "PCX", "JPEG2000", "ICNS"):
        yield refused(f"other-{form.lower()}", saved(PICTURE, form), UnknownFormat)
    yield refused("other-too-long", lambda: png(PICTURE) + bytes(20 * 2**20), TooManyBytes)
