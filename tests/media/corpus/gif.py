"""GIF files, hostile and odd."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from sallet.core.errors import Broken, Mismatch, TooManyPixels, UnknownFormat
from tests.media.corpus.build import (
    HEIGHT,
    SECRET,
    WIDTH,
    blocks,
    control,
    gif_frame,
    gif_head,
    over_white,
    saved,
)
from tests.media.corpus.entry import Entry, refused, repaired

COLOURS = np.random.default_rng(2).integers(0, 256, (128, 3), dtype=np.uint8)
OTHERS = np.random.default_rng(3).integers(0, 256, (128, 3), dtype=np.uint8)
TABLE = COLOURS.tobytes()
INDICES = (3 * np.add.outer(2 * np.arange(HEIGHT), np.arange(WIDTH)) % 128).astype(np.uint8)
SHOWN = COLOURS[INDICES]
HEAD = gif_head(WIDTH, HEIGHT, TABLE)
FRAME = gif_frame(INDICES)
GOOD = HEAD + FRAME + b";"
SECOND = gif_frame(INDICES[::-1])


def entries() -> Iterator[Entry]:
    yield repaired("gif-plain", GOOD, SHOWN)
    yield repaired("gif-said-rightly", GOOD, SHOWN, claimed="image/gif")
    yield refused("gif-said-to-be-webp", GOOD, Mismatch, claimed="image/webp")
    own = gif_frame(INDICES, table=OTHERS.tobytes())
    yield repaired("gif-own-table", HEAD + own + b";", OTHERS[INDICES])
    yield repaired("gif-87", b"GIF87a" + GOOD[6:], SHOWN)
    steps = saved(SHOWN[..., 0], "GIF", interlace=True)
    yield repaired("gif-interlaced", steps, np.repeat(SHOWN[..., :1], 3, -1))
    clear = int(INDICES[4, 4])
    hidden = np.where(clear == INDICES, 0, 255)
    data = HEAD + control(transparent=clear) + FRAME + b";"
    yield repaired("gif-transparent", data, over_white(SHOWN, hidden), "alpha", "alpha-hides")
    yield from moving()
    yield from beside()
    yield from damaged()


def moving() -> Iterator[Entry]:
    loop = b"!\xff\x0bNETSCAPE2.0\x03\1\0\0\0"
    two = HEAD + loop + control() + FRAME + control() + SECOND + b";"
    yield repaired("gif-animated", two, SHOWN, "animated")
    yield repaired("gif-1000-frames", HEAD + FRAME + SECOND * 1000 + b";", SHOWN, "animated")
    yield repaired("gif-second-frame-cut", HEAD + FRAME + SECOND[:40], SHOWN, "animated")
    bomb = b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0)
    yield repaired("gif-second-frame-bomb", HEAD + FRAME + bomb, SHOWN, "animated")
    part = gif_head(WIDTH + 4, HEIGHT + 3, TABLE) + gif_frame(INDICES, left=4, top=3) + b";"
    around = np.full((HEIGHT + 3, WIDTH + 4, 3), COLOURS[0], np.uint8)
    around[3:, 4:] = SHOWN
    yield repaired("gif-frame-inside", part, around)
    small = gif_head(4, 3, TABLE) + FRAME + b";"
    yield repaired("gif-frame-beyond-canvas", small, SHOWN)
    none = gif_head(0, 0, TABLE) + FRAME + b";"
    yield repaired("gif-canvas-0", none, SHOWN)


def beside() -> Iterator[Entry]:
    script = b"=1;/*" + SECRET + b"*/alert(1)"
    yield repaired("gif-and-js", GOOD + script, SHOWN, "trailing-bytes")
    comment = b"!\xfe" + blocks(SECRET) + b"\0"
    yield repaired("gif-comment", HEAD + comment + FRAME + b";", SHOWN, "metadata")
    yield repaired("gif-comment-after", HEAD + FRAME + comment + b";", SHOWN, "metadata")
    xmp = b"!\xff\x0bXMP DataXMP" + blocks(SECRET) + b"\0"
    yield repaired("gif-xmp", HEAD + xmp + FRAME + b";", SHOWN, "metadata")
    words = b"!\x01\x0c" + bytes(12) + blocks(b"plain text") + b"\0"
    yield repaired("gif-plain-text", HEAD + words + FRAME + b";", SHOWN, "metadata")
    crowd = b"!\xfe\0" * 30_000
    yield refused("gif-too-many-blocks", HEAD + crowd + FRAME + b";", Broken)


def damaged() -> Iterator[Entry]:
    yield refused("gif-cut-at-4", GOOD[:4], UnknownFormat)
    for end in (6, 12, 100, len(HEAD), len(HEAD) + 5, len(GOOD) - 40, len(GOOD) - 2):
        yield refused(f"gif-cut-at-{end}", GOOD[:end], Broken)
    yield refused("gif-no-end", GOOD[:-1], Broken)
    yield refused("gif-no-image", HEAD + b";", Broken)
    yield refused("gif-junk-block", HEAD + b"junk" + FRAME + b";", Broken)
    bomb = gif_head(65_535, 65_535, TABLE) + FRAME + b";"
    yield refused("gif-65535", bomb, TooManyPixels)
    wide = b"," + struct.pack("<HHHHB", 60_000, 60_000, 5000, 5000, 0) + FRAME[10:]
    yield refused("gif-frame-bomb", HEAD + wide + b";", TooManyPixels)
    head = b"," + struct.pack("<HHHHB", 0, 0, WIDTH, HEIGHT, 0)
    few = head + bytes([7]) + blocks(bytes([0x80]) + bytes(100) + bytes([0x81])) + b"\0"
    yield refused("gif-half-the-data", HEAD + few + b";", Broken)
    none = head + bytes([7]) + b"\0"
    yield refused("gif-no-data", HEAD + none + b";", Broken)
    noise = head + bytes([7]) + blocks(b"\xff" * 600) + b"\0"
    yield refused("gif-garbage", HEAD + noise + b";", Broken)
    long = head + bytes([13]) + FRAME[11:]
    yield refused("gif-code-of-13-bits", HEAD + long + b";", Broken)
    flat = b"," + struct.pack("<HHHHB", 0, 0, 0, 0, 0) + FRAME[10:]
    yield refused("gif-size-0", gif_head(0, 0, TABLE) + flat + b";", Broken)
