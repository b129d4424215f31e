"""What is sent on is lossless, holds nothing but pixels, and any decoder reads it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pil

from sallet.core.image import Image
from sallet.media.canonical import canonical
from sallet.media.encode import encode
from tests.media.corpus.build import picture

NOISE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("pixels", [NOISE, picture(), NOISE[:1], NOISE[:, :1], NOISE[:, ::-1]])
def test_it_reads_back_as_the_same_pixels(pixels: np.ndarray, pack: bool):
    data = encode(Image(pixels), pack=pack)
    assert np.array_equal(canonical(data).image.pixels(), pixels)
    with Pil.open(io.BytesIO(data)) as other:
        assert (other.format, other.mode, other.info) == ("PNG", "RGB", {})
        assert np.array_equal(np.asarray(other), pixels)


def test_packing_is_worth_it():
    image = Image(picture(200, 300))
    assert len(encode(image, pack=True)) < len(encode(image)) / 5
    assert len(encode(image)) < image.pixels().nbytes + 1000
