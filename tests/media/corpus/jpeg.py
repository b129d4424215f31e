"""JPEG files, hostile and odd."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image as Pil

from sallet.core.errors import Broken, Mismatch, TooManyPixels, UnknownFormat
from sallet.media.limits import Sees
from tests.media.corpus.build import (
    PICTURE,
    SECRET,
    exif,
    jpeg,
    picture,
    reframed,
    saved,
    segment,
    shown,
    turned,
    with_segments,
)
from tests.media.corpus.entry import Entry, refused, repaired

GOOD = jpeg()
SEEN = shown(GOOD)
END = b"\xff\xd9"


def entries() -> Iterator[Entry]:
    yield from plain()
    yield from colours()
    yield from beside()
    yield from damaged()
    yield from lying()


def plain() -> Iterator[Entry]:
    yield repaired("jpeg-near-the-picture", GOOD, PICTURE, tolerance=6)
    yield repaired("jpeg-said-image/jpg", GOOD, SEEN, claimed="image/jpg")
    yield refused("jpeg-said-to-be-png", GOOD, Mismatch, claimed="image/png")
    for name, settings in {
        "progressive": {"progressive": True},
        "half-chroma": {"subsampling": 2},
        "restarts": {"restart_marker_blocks": 1},
        "worst": {"quality": 1},
    }.items():
        data = jpeg(picture(50, 70), **settings)
        yield repaired(f"jpeg-{name}", data, shown(data))
    data = jpeg(picture(1, 1))
    yield repaired("jpeg-one-pixel", data, shown(data))
    flat = np.full((80, 120, 3), 90, np.uint8)
    yield repaired(
        "jpeg-downscaled", jpeg(flat), flat[:20, :30], "downscaled", sees=Sees(pixels=600)
    )


def colours() -> Iterator[Entry]:
    grey = saved(PICTURE, "JPEG", "L", quality=95)
    yield repaired("jpeg-grey", grey, shown(grey))
    inks = np.dstack([255 - PICTURE, np.full(PICTURE.shape[:2], 40, np.uint8)])
    black = 1 - inks[..., 3:] / 255
    light = (PICTURE * black).round().astype(np.uint8)
    out = io.BytesIO()
    Pil.fromarray(inks, "CMYK").save(out, "JPEG", quality=98, subsampling=0)
    adobe = out.getvalue()
    yield repaired("jpeg-cmyk-adobe", adobe, light, "cmyk", tolerance=8)
    at = adobe.index(b"\xff\xee")
    bare = adobe[:at] + adobe[at + 16 :]
    yield repaired("jpeg-cmyk-bare", bare, light, "cmyk", tolerance=8)
    rgb = jpeg(keep_rgb=True)
    yield repaired("jpeg-stored-as-rgb", rgb, shown(rgb))
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1" + SECRET)
    yield repaired("jpeg-icc", with_segments(GOOD, profile), SEEN, "icc")
    many = [segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 200]) + bytes(60_000)) for n in range(1, 99)]
    yield repaired("jpeg-icc-huge", lambda: with_segments(GOOD, *many), SEEN, "icc")


def beside() -> Iterator[Entry]:
    comment = segment(0xFE, b"<html><!--" + SECRET)
    yield repaired("jpeg-and-html", with_segments(GOOD, comment), SEEN, "metadata")
    pdf = segment(0xFE, b"%PDF-1.7\n" + SECRET)
    yield repaired("jpeg-and-pdf", with_segments(GOOD, pdf), SEEN, "metadata")
    yield refused("pdf-and-jpeg", b"%PDF-1.7\n" + GOOD, UnknownFormat)
    yield repaired("jpeg-and-zip", GOOD + b"PK\x03\x04" + bytes(60), SEEN, "trailing-bytes")
    yield repaired("jpeg-twice", GOOD + jpeg(255 - PICTURE), SEEN, "trailing-bytes")
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'>" + SECRET)
    yield repaired("jpeg-xmp-script", with_segments(GOOD, xmp), SEEN, "metadata")
    thumbnail = segment(0xE0, b"JFXX\0\x10" + jpeg(255 - PICTURE))
    yield repaired("jpeg-thumbnail", with_segments(GOOD, thumbnail), SEEN, "metadata")
    photoshop = segment(0xED, b"Photoshop 3.0\x008BIM" + b"\xff" * 40)
    yield repaired("jpeg-photoshop", with_segments(GOOD, photoshop), SEEN, "metadata")
    for way in range(1, 9):
        data = with_segments(GOOD, segment(0xE1, b"Exif\0\0" + exif(way)))
        found = ("metadata",) if way == 1 else ("metadata", "rotated")
        yield repaired(f"jpeg-exif-{way}", data, turned(SEEN, way), *found)
    twice = [segment(0xE1, b"Exif\0\0" + exif(way)) for way in (6, 3)]
    data = with_segments(GOOD, *twice)
    yield repaired("jpeg-exif-twice", data, turned(SEEN, 6), "metadata", "rotated")
    for name, content in {
        "cut": exif(6)[:12],
        "zero": exif(0),
        "ascii": exif(6, kind=2),
        "html": SECRET,
        "none": b"",
    }.items():
        data = with_segments(GOOD, segment(0xE1, b"Exif\0\0" + content))
        yield repaired(f"jpeg-exif-{name}", data, SEEN, "metadata", "bad-exif")
    other = with_segments(GOOD, segment(0xE1, b"Exif\0\0" + exif(6, tag=0x010E)))
    yield repaired("jpeg-exif-no-orientation", other, SEEN, "metadata")
    crowd = segment(0xFE, b"") * 30_000
    yield refused("jpeg-too-many-segments", with_segments(GOOD, crowd), Broken)


def damaged() -> Iterator[Entry]:
    scan = GOOD.index(b"\xff\xda")
    yield refused("jpeg-cut-at-2", GOOD[:2], UnknownFormat)
    for end in (3, 4, 30, scan + 1, scan + 5, scan + 40, len(GOOD) - 2, len(GOOD) - 1):
        yield refused(f"jpeg-cut-at-{end}", GOOD[:end], Broken)
    big = jpeg(picture(120, 160))
    at = big.index(b"\xff\xda")
    for share in (0.3, 0.6, 0.9):
        half = big[: at + int((len(big) - at) * share)]
        yield refused(f"jpeg-cut-at-{share}-and-ended", half + END, Broken)
    slow = jpeg(picture(120, 160), progressive=True)
    yield refused("jpeg-progressive-cut", slow[: len(slow) // 2], Broken)
    yield refused("jpeg-no-scan", GOOD[:scan] + END, Broken)
    yield refused("jpeg-empty-scan", GOOD[: scan + 14] + END, Broken)
    tables = GOOD.index(b"\xff\xc4")
    # The standard's own tables stand in, as in every frame of a motion JPEG.
    yield repaired("jpeg-no-tables", GOOD[:tables] + GOOD[scan:], SEEN)
    yield refused("jpeg-junk-between", GOOD[:scan] + b"junk" + GOOD[scan:], Broken)
    short = b"\xff\xfe\0\1"
    yield refused("jpeg-length-1", with_segments(GOOD, short), Broken)
    yield refused("jpeg-length-lies", with_segments(GOOD, b"\xff\xfe\xff\xff"), Broken)
    yield refused("jpeg-start-inside", GOOD[:scan] + b"\xff\xd8" + GOOD[scan:], Broken)


def lying() -> Iterator[Entry]:
    yield refused("jpeg-65000", reframed(GOOD, height=65_000, width=65_000), TooManyPixels)
    yield refused("jpeg-long-side", reframed(GOOD, height=8, width=30_000), TooManyPixels)
    yield refused("jpeg-lies-about-size", reframed(GOOD, height=3000, width=3000), Broken)
    yield refused("jpeg-height-0", reframed(GOOD, height=0), Broken)
    yield refused("jpeg-width-0", reframed(GOOD, width=0), Broken)
    yield refused("jpeg-12-bit", reframed(GOOD, bits=12), UnknownFormat)
    for name, marker in {"lossless": 0xC3, "arithmetic": 0xC9, "hierarchical": 0xC5}.items():
        yield refused(f"jpeg-{name}", reframed(GOOD, marker=marker), UnknownFormat)
    frame = GOOD.index(b"\xff\xc0")
    again = GOOD[frame : frame + 19]
    yield refused("jpeg-two-frames", GOOD[:frame] + again + GOOD[frame:], Broken)
    two = again[:9] + b"\2" + again[10:16]
    two = two[:2] + struct.pack(">H", 14) + two[4:]
    yield refused("jpeg-two-inks", GOOD[:frame] + two + GOOD[frame + 19 :], UnknownFormat)
    odd = again[:11] + b"\x55" + again[12:]
    yield refused("jpeg-sampling-5", GOOD[:frame] + odd + GOOD[frame + 19 :], Broken)
    slow = jpeg(progressive=True)
    scans = [i for i in range(len(slow)) if slow[i : i + 2] == b"\xff\xda"]
    extra = slow[scans[-1] : -2] * 200
    yield refused("jpeg-200-scans", slow[:-2] + extra + END, Broken)
    scan = GOOD.index(b"\xff\xda")
    grey_scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    yield refused("jpeg-a-third", GOOD[:scan] + grey_scan + GOOD[scan + 14 :], Broken)
