"""From a sound file's bytes to canonical samples: 16 bits, interleaved. Without torch.

WAV and FLAC are rebuilt of their sound alone, so no tag, picture or cue point reaches a decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Literal, TypeAlias

from sallet.core.errors import (
    Broken,
    MediaError,
    Mismatch,
    TooManyBytes,
    TooMuchMemory,
    TooMuchSound,
    UnknownFormat,
    UsageError,
)
from sallet.media import riff
from sallet.media.flags import Flag
from sallet.media.header import MOST_PIECES, require
from sallet.media.limits import Limits

SoundFormat: TypeAlias = Literal["wav", "flac", "mp3"]

TYPES: Final[Mapping[str, SoundFormat]] = {
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
_CODECS: Final = {
    "wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "flac": ("PCM_S8", "PCM_16", "PCM_24"),
    "mp3": ("MPEG_LAYER_III",),
}
_DEEP: Final = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
_WAVE = b"WAVE"
_FLAC = b"fLaC"
_ID3 = b"ID3"
_BLOCK = 2**16  # frames that are decoded at once
FULL = 32767  # the sample that stands for 1


@dataclass(frozen=True)
class Sound:
    """16-bit samples, little-endian, the channels of a moment side by side."""

    format: SoundFormat
    rate: int
    channels: int
    samples: bytes | bytearray = field(repr=False)
    flags: frozenset[Flag]


def decode(data: bytes, *, limits: Limits, claimed: str | None = None) -> Sound:
    """The canonical samples of a sound file, or a `MediaError`."""
    soundfile = library()
    refused: type[MediaError]
    try:
        return _decode(soundfile, data, limits, claimed)
    except MediaError as error:
        refused = type(error)
    except MemoryError:
        refused = TooMuchMemory
    except Exception:  # whatever a codec has to say about hostile bytes
        refused = Broken
    raise refused


def sniff(data: bytes) -> SoundFormat | None:
    """The format that the first bytes show, if it is one that is read."""
    if data.startswith(riff.MAGIC) and data[8:12] == _WAVE:
        return "wav"
    if data.startswith(_FLAC):
        return "flac"
    if data.startswith(_ID3) or _starts_mp3(data):
        return "mp3"
    return None


def library() -> Any:
    """The package that reads sound, or an error that says how to get it."""
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package without its library
        raise UsageError(
            "sound is read by the package soundfile, which is not here; pip install 'sallet[audio]'"
        ) from None
    return soundfile


def _decode(soundfile: Any, data: bytes, limits: Limits, claimed: str | None) -> Sound:
    import numpy as np

    if len(data) > limits.encoded:
        raise TooManyBytes
    form = sniff(data)
    if form is None:
        raise UnknownFormat
    if claimed is not None and TYPES.get(claimed.partition(";")[0].strip().lower()) != form:
        raise Mismatch
    flags: set[Flag] = set()
    stripped = _STRIP[form](data, flags)
    with soundfile.SoundFile(BytesIO(stripped)) as file:
        if file.subtype not in _CODECS[form]:
            raise UnknownFormat
        _check(file, limits)
        if file.subtype in _DEEP:
            flags.add("requantised")
        blocks: list[bytes] = []
        frames = 0
        while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
            frames += len(block)
            require(frames <= file.frames and bool(np.isfinite(block).all()))
            if np.abs(block).max() > 1:
                flags.add("clipped")
            whole = np.rint(block * (FULL + 1)).clip(-FULL, FULL).astype("<i2")
            blocks.append(whole.tobytes())
        # A header that promises more than there is belongs to a file that was cut off.
        require(frames == file.frames)
        return Sound(form, file.samplerate, file.channels, b"".join(blocks), frozenset(flags))


def _check(file: Any, limits: Limits) -> None:
    """What the header says, against the limits."""
    require(file.frames > 0)
    if (
        file.channels > limits.channels
        or not limits.lowest_rate <= file.samplerate <= limits.highest_rate
        or file.frames > limits.seconds * file.samplerate
        or file.frames * file.channels > limits.samples
    ):
        raise TooMuchSound


def _wav(data: bytes, flags: set[Flag]) -> bytes:
    """The two chunks that are sound."""
    end = riff.end(data)
    if end < len(data):
        flags.add("trailing-bytes")
    kept: dict[bytes, memoryview] = {}
    for chunk in riff.chunks(data, end):
        if chunk.name in (b"fmt ", b"data"):
            require(chunk.name not in kept)
            kept[chunk.name] = chunk.whole
        elif chunk.name not in (b"fact", b"PEAK", b"JUNK", b"PAD "):
            flags.add("metadata")
    require(list(kept) == [b"fmt ", b"data"])
    return riff.container(_WAVE, list(kept.values())) + b"".join(kept.values())


def _flac(data: bytes, flags: set[Flag]) -> bytes:
    """The stream's own description, marked as the last one, and the frames."""
    position, described = len(_FLAC), b""
    for index in range(MOST_PIECES):
        (word,) = struct.unpack_from(">I", data, position)
        last, kind, length = word >> 31, word >> 24 & 0x7F, word & 0xFFFFFF
        end = position + 4 + length
        require(end <= len(data) and (kind == 0) == (index == 0))
        if kind == 0:
            described = b"\x80" + data[position + 1 : end]
        elif kind in (2, 4, 5, 6):  # application data, comments, cue sheet, picture
            flags.add("metadata")
        position = end
        if last:
            return _FLAC + described + data[position:]
    raise Broken


def _mp3(data: bytes, flags: set[Flag]) -> bytes:
    """Frames without the tags before and behind them."""
    start = 0
    if data.startswith(_ID3):
        flags.add("metadata")
        size = data[6:10]
        require(len(size) == 4 and max(size) < 0x80)
        start = 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
        start += 10 * bool(data[5] & 0x10)
    end = len(data)
    if data[-128:-125] == b"TAG":
        flags.add("metadata")
        end -= 128
    stripped = data[start:end]
    require(_starts_mp3(stripped))
    return stripped


def _starts_mp3(data: bytes) -> bool:
    """Whether a frame of layer III stands here, of a version, rate and bit rate that exist."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return False
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    return version != 1 and layer == 1 and data[2] >> 4 != 15 and data[2] >> 2 & 3 != 3


_STRIP: Final = {"wav": _wav, "flac": _flac, "mp3": _mp3}
