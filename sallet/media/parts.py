"""Every media part of a query through the canonical stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image as Pil
from torch import Tensor

from sallet.core.errors import Broken, TooManyParts, TooManyPixels, TooMuchSound
from sallet.core.image import Image
from sallet.core.query import Audio, Part, Query
from sallet.media.decode import FILTER
from sallet.media.file import ImageFile
from sallet.media.limits import STRANGERS, Limits, Sees
from sallet.media.sound import FULL


def check_count(count: int, limits: Limits = STRANGERS) -> None:
    """Refuses a query with more media parts than the limit; to be asked before any is fetched."""
    if count > limits.parts:
        raise TooManyParts


def admit(query: Query, *, limits: Limits = STRANGERS, sees: Sees | None = None) -> Query:
    """The query as it would be after an upload of every part of it.

    An image in a file stays there: its header is checked now, and it is decoded under these limits
    when somebody looks. Pixels in memory are as they would be after a PNG, and samples as after a
    WAV. A float tensor is an attack's, with a gradient of its own; only its size is checked.
    """
    check_count(sum(not isinstance(p, str) for m in query.messages for p in m.parts), limits)

    def change(part: Part) -> Part:
        if isinstance(part, Image):
            return _image(part, limits, sees)
        return _audio(part, limits) if isinstance(part, Audio) else part

    turns = tuple(replace(m, parts=tuple(change(p) for p in m.parts)) for m in query.messages)
    return replace(query, messages=turns)


def _image(image: Image, limits: Limits, sees: Sees | None) -> Image:
    if isinstance(image.source, ImageFile):
        source = replace(image.source, limits=limits, sees=sees)
        _ = source.size  # a file that is refused is refused now
        return replace(image, source=source)
    height, width = image.size
    if height * width > limits.pixels or max(height, width) > limits.side:
        raise TooManyPixels
    if sees is None or not isinstance(image.source, np.ndarray):
        return image
    size = sees.fit(width, height)
    if size == (width, height):
        return image
    smaller = Pil.fromarray(image.source).resize(size, FILTER)
    return replace(image, source=np.asarray(smaller))


def _audio(audio: Audio, limits: Limits) -> Audio:
    channels, samples = audio.wave.shape
    if (
        channels > limits.channels
        or not limits.lowest_rate <= audio.rate <= limits.highest_rate
        or samples > limits.seconds * audio.rate
        or channels * samples > limits.samples
    ):
        raise TooMuchSound
    if samples == 0 or channels == 0 or not bool(torch.isfinite(audio.wave).all()):
        raise Broken
    return audio if audio.wave.requires_grad else Audio(_sixteen_bits(audio.wave), audio.rate)


def _sixteen_bits(wave: Tensor) -> Tensor:
    return wave.float().clamp(-1, 1).mul(FULL).round().div(FULL)
