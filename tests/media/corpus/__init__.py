"""Hostile and odd files, made in code, each with what must become of it."""

from __future__ import annotations

from tests.media.corpus import gif, jpeg, other, png, sound, webp
from tests.media.corpus.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    *png.entries(),
    *jpeg.entries(),
    *webp.entries(),
    *gif.entries(),
    *other.entries(),
    *sound.entries(),
)
