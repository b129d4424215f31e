"""PNG files, hostile and odd."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from sallet.core.errors import Broken, Mismatch, TooManyPixels, TooMuchMemory, UnknownFormat
from sallet.media.limits import MIB, Sees
from tests.media.corpus.build import (
    HEIGHT,
    PICTURE,
    SECRET,
    SIGNATURE,
    WIDTH,
    chunk,
    deflated_zeros,
    exif,
    idat,
    ihdr,
    interlaced,
    over_white,
    picture,
    png,
    scanlines,
    turned,
)
from tests.media.corpus.entry import Entry, refused, repaired

GOOD = png(PICTURE)
IEND = chunk(b"IEND")
GREY = PICTURE[..., 0]
GREYS = np.repeat(GREY[..., None], 3, -1)
RAMP = np.linspace(0, 255, WIDTH).round().astype(np.uint8) * np.ones((HEIGHT, 1), np.uint8)
TABLE = np.random.default_rng(1).integers(0, 256, (16, 3), dtype=np.uint8)
INDICES = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 16


def entries() -> Iterator[Entry]:
    yield from plain()
    yield from bombs()
    yield from beside()
    yield from damaged()
    yield from depths()
    yield from transparent()
    yield from moving()


def plain() -> Iterator[Entry]:
    yield repaired("png-plain", GOOD, PICTURE)
    yield repaired("png-said-rightly", GOOD, PICTURE, claimed="Image/PNG; charset=x")
    yield refused("png-said-to-be-jpeg", GOOD, Mismatch, claimed="image/jpeg")
    yield refused("png-said-to-be-text", GOOD, Mismatch, claimed="text/html")
    yield repaired("png-interlaced", interlaced(PICTURE), PICTURE)
    yield repaired("png-one-pixel", png(PICTURE[:1, :1]), PICTURE[:1, :1])
    yield repaired("png-one-row", png(picture(1, 5000)), picture(1, 5000))
    yield repaired("png-one-column", png(picture(5000, 1)), picture(5000, 1))
    flat = np.full((40, 60, 3), (9, 99, 199), np.uint8)
    yield repaired("png-downscaled", png(flat), flat[:20, :30], "downscaled", sees=Sees(side=30))
    yield repaired("png-fits", png(flat), flat, sees=Sees(side=60, pixels=2400))
    empty = chunk(b"IDAT")
    yield repaired("png-empty-data-chunks", png(PICTURE, before=empty * 3, after=empty), PICTURE)


def bombs() -> Iterator[Entry]:
    tiny = chunk(b"IDAT", zlib.compress(b"\0"))
    yield refused("png-60000", SIGNATURE + ihdr(60_000, 60_000) + tiny + IEND, TooManyPixels)
    yield refused("png-most", SIGNATURE + ihdr(2**31, 2**31) + tiny + IEND, TooManyPixels)
    yield refused("png-long-side", lambda: png(np.zeros((1, 20_000, 3))), TooManyPixels)
    yield refused("png-lies-about-size", SIGNATURE + ihdr(3000, 3000) + tiny + IEND, Broken)
    yield refused("png-64-million", million, TooMuchMemory)
    yield repaired("png-endless-data", endless, np.zeros_like(PICTURE))

    def bombed(name: bytes, start: bytes, times: int = 1) -> Callable[[], bytes]:
        return lambda: png(PICTURE, before=chunk(name, start + deflated_zeros(64 * MIB)) * times)

    yield repaired("png-ztxt-bomb", bombed(b"zTXt", b"a\0\0", 20), PICTURE, "metadata")
    yield repaired("png-itxt-bomb", bombed(b"iTXt", b"a\0\1\0\0\0"), PICTURE, "metadata")
    yield repaired("png-iccp-bomb", bombed(b"iCCP", b"a\0\0"), PICTURE, "icc")
    crowd = chunk(b"tEXt", b"a\0b") * 30_000
    yield refused("png-too-many-chunks", png(PICTURE, before=crowd), Broken)


def million() -> bytes:
    """64 million white and black pixels, within the limit, that take 256 MB as RGB."""
    lines = chunk(b"IDAT", deflated_zeros(8000 * 1001))
    return SIGNATURE + ihdr(8000, 8000, 1, 0) + lines + IEND


def endless() -> bytes:
    """A small image whose data go on for 64 MB."""
    return SIGNATURE + ihdr(WIDTH, HEIGHT) + chunk(b"IDAT", deflated_zeros(64 * MIB)) + IEND


def beside() -> Iterator[Entry]:
    zipped = b"PK\x03\x04" + bytes(30) + b"PK\x05\x06" + bytes(18)
    yield repaired("png-and-zip", GOOD + zipped, PICTURE, "trailing-bytes")
    yield repaired("png-and-newline", GOOD + b"\n", PICTURE, "trailing-bytes")
    yield repaired("png-twice", GOOD + GOOD, PICTURE, "trailing-bytes")
    html = chunk(b"tEXt", b"Comment\0" + SECRET)
    yield repaired("png-with-html", png(PICTURE, before=html), PICTURE, "metadata")
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET)
    yield repaired("png-with-xmp", png(PICTURE, after=xmp), PICTURE, "metadata")
    private = chunk(b"prVt", SECRET)
    yield repaired("png-private-chunk", png(PICTURE, before=private), PICTURE, "metadata")
    wrong = chunk(b"tEXt", b"a\0b", crc=1)
    yield repaired("png-bad-text-crc", png(PICTURE, before=wrong), PICTURE, "metadata")
    profile = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(bytes(128)))
    yield repaired("png-icc", png(PICTURE, before=profile), PICTURE, "icc")
    gamma = chunk(b"gAMA", struct.pack(">I", 2300))
    yield repaired("png-gamma-trick", png(PICTURE, before=gamma), PICTURE, "icc")
    usual = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"pHYs", bytes(9))
    yield repaired("png-usual-chunks", png(PICTURE, before=usual), PICTURE)
    for way in range(1, 9):
        data = png(PICTURE, before=chunk(b"eXIf", exif(way, order=">" if way % 2 else "<")))
        found = ("metadata",) if way == 1 else ("metadata", "rotated")
        yield repaired(f"png-exif-{way}", data, turned(PICTURE, way), *found)
    late = png(PICTURE, after=chunk(b"eXIf", exif(6)))
    yield repaired("png-exif-late", late, turned(PICTURE, 6), "metadata", "rotated")
    for name, content in {
        "garbage": SECRET,
        "empty": b"",
        "offset": b"II*\0" + struct.pack("<I", 2**32 - 1),
        "endless": b"II*\0" + struct.pack("<IH", 8, 65535),
        "nine": exif(9),
        "long": exif(6, kind=4),
    }.items():
        data = png(PICTURE, before=chunk(b"eXIf", content))
        yield repaired(f"png-exif-{name}", data, PICTURE, "metadata", "bad-exif")
    wrong = chunk(b"eXIf", exif(6), crc=1)
    yield repaired("png-exif-crc", png(PICTURE, before=wrong), PICTURE, "metadata", "bad-exif")


def damaged() -> Iterator[Entry]:
    for end, error in ((4, UnknownFormat), (8, Broken), (20, Broken), (33, Broken), (60, Broken)):
        yield refused(f"png-cut-at-{end}", GOOD[:end], error)
    yield refused("png-cut-by-one", GOOD[:-1], Broken)
    yield refused("png-no-end", GOOD[: -len(IEND)], Broken)
    head, data = SIGNATURE + ihdr(WIDTH, HEIGHT), idat(PICTURE)
    raw = zlib.compress(scanlines(PICTURE))
    yield refused("png-half-the-data", head + chunk(b"IDAT", raw[: len(raw) // 2]) + IEND, Broken)
    yield refused("png-no-data", head + IEND, Broken)
    yield refused("png-not-deflate", head + chunk(b"IDAT", SECRET * 20) + IEND, Broken)
    rows = zlib.compress(scanlines(PICTURE[:-1]))
    yield refused("png-a-row-short", head + chunk(b"IDAT", rows) + IEND, Broken)
    filtered = zlib.compress(scanlines(PICTURE).replace(b"\0", b"\x09", 1))
    yield refused("png-filter-9", head + chunk(b"IDAT", filtered) + IEND, Broken)
    bad_head = SIGNATURE + ihdr(WIDTH, HEIGHT, crc=7)
    yield refused("png-head-crc", bad_head + data + IEND, Broken)
    bad_data = chunk(b"IDAT", raw, crc=7)
    yield refused("png-data-crc", head + bad_data + IEND, Broken)
    long = struct.pack(">I", 2**32 - 1) + b"IDAT" + raw
    yield refused("png-length-lies", head + long, Broken)
    short = struct.pack(">I", 5) + data[4:]
    yield refused("png-length-short", head + short + IEND, Broken)
    between = head + chunk(b"IDAT", raw[:50]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", raw[50:])
    yield refused("png-data-apart", between + IEND, Broken)
    critical = chunk(b"CgBI", bytes(4))
    yield refused("png-unknown-critical", png(PICTURE, before=critical), Broken)
    yield refused("png-two-heads", png(PICTURE, before=ihdr(5, 5)), Broken)
    yield refused("png-no-head", SIGNATURE + data + IEND, Broken)
    for name, fields in {
        "width-0": (0, HEIGHT),
        "height-0": (WIDTH, 0),
        "depth-3": (WIDTH, HEIGHT, 3),
        "depth-16-palette": (WIDTH, HEIGHT, 16, 3),
        "colour-5": (WIDTH, HEIGHT, 8, 5),
        "method-1": (WIDTH, HEIGHT, 8, 2, 1, 0, 0),
        "filter-1": (WIDTH, HEIGHT, 8, 2, 0, 1, 0),
        "interlace-2": (WIDTH, HEIGHT, 8, 2, 0, 0, 2),
    }.items():
        yield refused(f"png-{name}", SIGNATURE + ihdr(*fields) + data + IEND, Broken)


def depths() -> Iterator[Entry]:
    wide = PICTURE.astype(np.uint16) * 256 + 77
    yield repaired("png-16-rgb", png(wide, depth=16), PICTURE, "16-bit")
    yield repaired("png-16-grey", png(wide[..., 0], depth=16, colour=0), GREYS, "16-bit")
    for depth in (1, 2, 4):
        most = 2**depth - 1
        few = (RAMP.astype(int) * most // 255).astype(np.uint8)
        greys = np.repeat((few * (255 // most))[..., None], 3, -1)
        yield repaired(f"png-{depth}-grey", png(few, depth=depth, colour=0), greys)
        table = chunk(b"PLTE", TABLE[: 2**depth].tobytes())
        coloured = png(few, depth=depth, colour=3, before=table)
        yield repaired(f"png-{depth}-palette", coloured, TABLE[few])
    yield repaired("png-8-grey", png(GREY, colour=0), GREYS)
    table = chunk(b"PLTE", TABLE.tobytes())
    yield repaired("png-8-palette", png(INDICES, colour=3, before=table), TABLE[INDICES])
    yield repaired("png-suggested-palette", png(PICTURE, before=table), PICTURE)
    yield refused("png-no-palette", png(INDICES, colour=3), Broken)
    yield refused("png-two-palettes", png(INDICES, colour=3, before=table * 2), Broken)
    ragged = chunk(b"PLTE", bytes(7))
    yield refused("png-ragged-palette", png(INDICES, colour=3, before=ragged), Broken)
    few = chunk(b"PLTE", TABLE[:15].tobytes())
    beyond = np.vstack([TABLE[:15], np.zeros((1, 3), np.uint8)])
    yield repaired("png-beyond-palette", png(INDICES, colour=3, before=few), beyond[INDICES])


def transparent() -> Iterator[Entry]:
    seen = ("alpha", "alpha-hides")
    message = np.zeros((HEIGHT, WIDTH), np.uint8)
    message[5:12, 4:20] = 255
    layered = np.dstack([PICTURE, message])
    yield repaired("png-alpha-message", png(layered, colour=6), over_white(PICTURE, message), *seen)
    invisible = png(np.dstack([PICTURE, np.zeros_like(message)]), colour=6)
    yield repaired("png-alpha-nothing", invisible, np.full_like(PICTURE, 255), *seen)
    faint = np.full_like(message, 250)
    data = png(np.dstack([PICTURE, faint]), colour=6)
    yield repaired("png-alpha-faint", data, over_white(PICTURE, faint), "alpha", tolerance=1)
    yield repaired(
        "png-alpha-ramp",
        png(np.dstack([PICTURE, RAMP]), colour=6),
        over_white(PICTURE, RAMP),
        *seen,
        tolerance=1,
    )
    opaque = np.full_like(message, 255)
    yield repaired("png-alpha-opaque", png(np.dstack([PICTURE, opaque]), colour=6), PICTURE)
    grey = png(np.dstack([GREY, message]), colour=4)
    yield repaired("png-grey-alpha", grey, over_white(GREYS, message), *seen)
    wide = layered.astype(np.uint16) * 257
    yield repaired(
        "png-16-rgba",
        png(wide, depth=16, colour=6),
        over_white(PICTURE, message),
        "16-bit",
        *seen,
    )
    wide = np.dstack([GREY, message]).astype(np.uint16) * 257
    data = png(wide, depth=16, colour=4)
    yield repaired("png-16-grey-alpha", data, over_white(GREYS, message), "16-bit", *seen)
    # A colour that stands for nothing
    for depth, value in ((1, 1), (2, 2), (4, 9), (8, 100)):
        few = (RAMP.astype(int) * (2**depth - 1) // 255).astype(np.uint8)
        few[0, 0] = value
        greys = np.repeat((few * (255 // (2**depth - 1)))[..., None], 3, -1)
        hidden = np.where(few == value, 0, 255)
        key = chunk(b"tRNS", struct.pack(">H", value))
        data = png(few, depth=depth, colour=0, before=key)
        yield repaired(f"png-key-grey-{depth}", data, over_white(greys, hidden), *seen)
    clear = PICTURE[3, 3].tolist()
    key = chunk(b"tRNS", struct.pack(">3H", *clear))
    hidden = np.where((clear == PICTURE).all(-1), 0, 255)
    yield repaired("png-key-rgb", png(PICTURE, before=key), over_white(PICTURE, hidden), *seen)
    key = chunk(b"tRNS", struct.pack(">3H", 0x100, 0, 0))
    yield repaired("png-key-beyond", png(PICTURE, before=key), PICTURE)
    key = chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))
    wide = PICTURE.astype(np.uint16) * 257
    data = png(wide, depth=16, before=key)
    yield repaired("png-key-16", data, PICTURE, "16-bit", *seen)
    table = chunk(b"PLTE", TABLE.tobytes())
    alphas = np.full(16, 255, np.uint8)
    alphas[2], alphas[5] = 0, 0
    data = png(INDICES, colour=3, before=table + chunk(b"tRNS", alphas[:9].tobytes()))
    flat = over_white(TABLE[INDICES], alphas[INDICES])
    yield repaired("png-key-palette", data, flat, *seen)
    single = chunk(b"tRNS", b"\xff\xff\x00")
    hidden = np.where(INDICES == 2, 0, 255)
    data = png(INDICES, colour=3, before=table + single)
    yield repaired("png-key-palette-one", data, over_white(TABLE[INDICES], hidden), *seen)
    long = chunk(b"tRNS", bytes(17))
    yield refused("png-key-palette-long", png(INDICES, colour=3, before=table + long), Broken)


def moving() -> Iterator[Entry]:
    other = zlib.compress(scanlines(255 - PICTURE))
    size = struct.pack(">IIIIHHBB", WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    count = chunk(b"acTL", struct.pack(">II", 2, 0))
    first, second = (chunk(b"fcTL", struct.pack(">I", n) + size) for n in (0, 1))
    frame = chunk(b"fdAT", struct.pack(">I", 2) + other)
    data = png(PICTURE, before=count + first, after=second + frame)
    yield repaired("apng", data, PICTURE, "animated")
    data = png(PICTURE, before=count, after=first + frame)
    yield repaired("apng-default-image", data, PICTURE, "animated")
    lying = chunk(b"acTL", struct.pack(">II", 2**31, 0))
    yield repaired("apng-lying-count", png(PICTURE, before=lying), PICTURE, "animated")
    yield repaired("apng-bad-control", png(PICTURE, before=chunk(b"acTL")), PICTURE, "animated")
