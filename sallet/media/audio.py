"""Every sound enters here: bytes from anywhere, canonical 16-bit samples out."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sallet.core.query import Audio
from sallet.media.flags import Flag
from sallet.media.limits import STRANGERS, Limits
from sallet.media.sound import FULL, Sound, SoundFormat, decode


@dataclass(frozen=True)
class CanonicalAudio:
    """A sound of 16-bit samples with nothing beside them, and what was found on the way.

    Every sample is a whole multiple of 1/32767, so the WAV that is sent on holds it exactly.
    """

    audio: Audio
    format: SoundFormat
    flags: frozenset[Flag]

    @property
    def digest(self) -> str:
        """SHA-256 over rate, shape and samples."""
        return self.audio.digest


def canonical_audio(
    data: bytes, *, limits: Limits = STRANGERS, claimed: str | None = None
) -> CanonicalAudio:
    """The canonical sound in a WAV, FLAC or MP3 file's bytes, or a `MediaError`.

    It is decoded in this process; `worker.Workers` do the same under limits of memory and time.
    """
    return dressed(decode(data, limits=limits, claimed=claimed))


def dressed(sound: Sound) -> CanonicalAudio:
    """Decoded samples as a waveform, `[channels, samples]`."""
    samples = torch.frombuffer(bytearray(sound.samples), dtype=torch.int16)
    wave = samples.view(-1, sound.channels).T.contiguous().float() / FULL
    return CanonicalAudio(Audio(wave, sound.rate), sound.format, sound.flags)
