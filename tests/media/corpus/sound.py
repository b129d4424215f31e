"""Sounds, hostile and odd."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from sallet.core.errors import Broken, Mismatch, TooMuchSound, UnknownFormat
from tests.media.corpus.build import SECRET, piece, riff
from tests.media.corpus.entry import Entry, heard, refused

RATE = 16_000
PCM, FLOAT = 1, 3
TONE = (9000 * np.sin(np.arange(4000) * 0.07)).round().astype(np.int16)[None]
STEREO = np.vstack([TONE, -TONE // 2])
Samples = npt.NDArray[Any]


def wav(
    samples: Samples,
    *before: bytes,
    rate: int = RATE,
    kind: int = PCM,
    after: bytes = b"",
    length: int | None = None,
) -> bytes:
    """A WAV of `[channels, n]` samples as they are, with chunks beside them."""
    channels, wide = samples.shape[0], samples.dtype.itemsize
    fields = (kind, channels, rate, rate * channels * wide, channels * wide, 8 * wide)
    data = samples.T.tobytes()
    body = piece(b"data", data)
    if length is not None:
        body = b"data" + struct.pack("<I", length) + data
    return riff(b"WAVE", piece(b"fmt ", struct.pack("<HHIIHH", *fields)), *before, body, after)


def written(form: str, subtype: str, samples: Samples = TONE) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples.T, RATE, format=form, subtype=subtype)
    return out.getvalue()


GOOD = wav(TONE)
FLAC = written("FLAC", "PCM_16")


def entries() -> Iterator[Entry]:
    yield from plain()
    yield from beside()
    yield from limits()
    yield from damaged()


def plain() -> Iterator[Entry]:
    yield heard("wav-plain", GOOD, TONE)
    yield heard("wav-stereo", wav(STEREO), STEREO)
    yield heard("wav-one-sample", wav(TONE[:, 7:8]), TONE[:, 7:8])
    lowest = np.full_like(TONE, -32768)
    yield heard("wav-lowest", wav(lowest), np.full_like(TONE, -32767))
    bytes_ = (TONE // 256 + 128).astype(np.uint8)
    yield heard("wav-8-bit", wav(bytes_), (TONE // 256) * 256)
    deep = np.frombuffer(b"".join(b"\x40" + v.tobytes() for v in TONE[0]), np.uint8)
    fields = struct.pack("<HHIIHH", PCM, 1, RATE, RATE * 3, 3, 24)
    data = riff(b"WAVE", piece(b"fmt ", fields), piece(b"data", deep.tobytes()))
    yield heard("wav-24-bit", data, TONE, "requantised")
    real = (TONE / 32768).astype(np.float32)
    yield heard("wav-float", wav(real, kind=FLOAT), TONE, "requantised")
    loud = np.array([[0.5, 1.5, -7.0, 1e30]], np.float32)
    cut = np.array([[16384, 32767, -32767, 32767]])
    yield heard("wav-float-clipped", wav(loud, kind=FLOAT), cut, "requantised", "clipped")
    yield heard("flac-plain", FLAC, TONE, "metadata")
    yield heard("flac-stereo", written("FLAC", "PCM_16", STEREO), STEREO, "metadata")
    yield heard("flac-24", written("FLAC", "PCM_24"), TONE, "metadata", "requantised")
    mp3 = written("MP3", "MPEG_LAYER_III")
    yield heard("mp3-plain", mp3, TONE, tolerance=2000)
    tag = b"ID3\4\0\0\0\0\1\0" + SECRET.ljust(128, b"\0")
    end = b"TAG" + SECRET.ljust(125, b"\0")
    yield heard("mp3-tags", tag + mp3 + end, TONE, "metadata", tolerance=2000)


def beside() -> Iterator[Entry]:
    yield heard("wav-and-zip", GOOD + b"PK\x03\x04", TONE, "trailing-bytes")
    words = piece(b"LIST", b"INFOICMT" + struct.pack("<I", 51) + SECRET)
    yield heard("wav-comment", wav(TONE, words), TONE, "metadata")
    yield heard("wav-id3", wav(TONE, after=piece(b"id3 ", SECRET)), TONE, "metadata")
    picture = struct.pack(">I", 6 << 24 | len(SECRET)) + SECRET
    at = 4 + 4 + 34
    data = FLAC[:at] + picture + FLAC[at:]
    yield heard("flac-picture", data, TONE, "metadata")


def limits() -> Iterator[Entry]:
    yield refused("wav-rate-1", wav(TONE, rate=1), TooMuchSound, sound=True)
    yield refused("wav-rate-2-billion", wav(TONE, rate=2_000_000_000), TooMuchSound, sound=True)
    yield refused("wav-rate-300000", wav(TONE, rate=300_000), TooMuchSound, sound=True)
    six = np.repeat(TONE, 6, axis=0)
    yield refused("wav-six-channels", wav(six), TooMuchSound, sound=True)
    hour = np.zeros((1, 4000 * 601), np.uint8)
    yield refused("wav-too-long", lambda: wav(hour, rate=4000), TooMuchSound, sound=True)
    # A FLAC whose header announces days of silence
    counted = bytearray(FLAC)
    counted[8 + 13 : 8 + 18] = bytes([counted[21] | 0x0F]) + b"\xff" * 4
    yield refused("flac-of-days", bytes(counted), TooMuchSound, sound=True)


def damaged() -> Iterator[Entry]:
    for end in (12, 30, 44, len(GOOD) // 2, len(GOOD) - 1):
        yield refused(f"wav-cut-at-{end}", GOOD[:end], Broken, sound=True)
    for end in (4, 30, len(FLAC) // 2, len(FLAC) - 1):
        yield refused(f"flac-cut-at-{end}", FLAC[:end], Broken, sound=True)
    mp3 = written("MP3", "MPEG_LAYER_III")
    yield refused("mp3-cut", mp3[: len(mp3) // 2], Broken, sound=True)
    yield refused("mp3-tag-only", b"ID3\4\0\0\0\0\0\x05hello", Broken, sound=True)
    yield refused("mp3-tag-lies", b"ID3\4\0\0\x7f\x7f\x7f\x7f" + mp3, Broken, sound=True)
    yield refused("wav-empty", wav(TONE[:, :0]), Broken, sound=True)
    yield refused("wav-length-lies", wav(TONE, length=2**31), Broken, sound=True)
    yield refused("wav-streamed", wav(TONE, length=2**32 - 1), Broken, sound=True)
    yield refused("wav-no-data", riff(b"WAVE", GOOD[12:36]), Broken, sound=True)
    yield refused("wav-no-format", riff(b"WAVE", piece(b"data", bytes(9))), Broken, sound=True)
    yield refused("wav-no-channel", wav(TONE[:0]), Broken, sound=True)
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        odd = np.array([[0.1, value, 0.2]], np.float32)
        yield refused(f"wav-{name}", wav(odd, kind=FLOAT), Broken, sound=True)
    yield refused("wav-mu-law", written("WAV", "ULAW"), UnknownFormat, sound=True)
    yield refused("wav-adpcm", written("WAV", "IMA_ADPCM"), UnknownFormat, sound=True)
    yield refused("ogg", written("OGG", "VORBIS"), UnknownFormat, sound=True)
    yield refused("sound-of-text", SECRET, UnknownFormat, sound=True)
    yield refused("wav-said-mp3", GOOD, Mismatch, claimed="audio/mpeg", sound=True)
    yield refused("wav-said-image", GOOD, Mismatch, claimed="image/png", sound=True)
    yield refused("wav-as-image", GOOD, UnknownFormat)
