"""What holds for any bytes at all, and for the settings of the process around."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import ImageFile

from sallet.core.errors import Broken, MediaError
from sallet.media.canonical import canonical
from sallet.media.decode import decode
from sallet.media.flags import FLAGS
from sallet.media.limits import Limits, Sees
from tests.media.corpus import ENTRIES
from tests.media.corpus.build import PICTURE, jpeg, picture, png
from tests.media.corpus.png import chunk
from tests.media.corpus.sound import FLAC, written
from tests.media.corpus.sound import GOOD as WAV
from tests.media.corpus.webp import LOSSLESS

LARGE = jpeg(picture(120, 160))
HALF = LARGE[: len(LARGE) // 2] + b"\xff\xd9"
SMALL = Limits(pixels=200_000, encoded=100_000)
HURT = (
    "png-plain",
    "png-interlaced",
    "png-8-palette",
    "png-key-palette",
    "apng",
    "gif-animated",
    "gif-transparent",
    "webp-lossless",
    "webp-lossy",
    "webp-animated",
    "webp-exif-6",
    "jpeg-exif-6",
    "jpeg-progressive",
    "jpeg-cmyk-adobe",
)
MADE = {entry.name: entry.made for entry in ENTRIES}


@pytest.mark.parametrize("name", HURT)
def test_damage_of_any_kind_is_refused_or_repaired(name: str):
    data, rng = MADE[name](), np.random.default_rng(5)
    refused: list[MediaError] = []
    for _ in range(150):
        hurt = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(hurt)))
            kind = rng.integers(4)
            if kind == 0:
                hurt[at] = int(rng.integers(256))
            elif kind == 1:
                hurt[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                del hurt[at : at + int(rng.integers(1, 30))]
            else:
                hurt[at:at] = hurt[at // 2 : at // 2 + int(rng.integers(1, 30))]
        try:
            made = canonical(bytes(hurt), limits=SMALL)
        except MediaError as error:
            refused.append(error)
        else:
            assert made.image.pixels().shape[2] == 3
            assert made.flags <= FLAGS.keys()
    assert refused
    assert all(str(error) == type(error).text for error in refused)


@pytest.mark.parametrize("cut", range(0, len(LOSSLESS), 7))
def test_no_part_of_a_file_counts_as_the_file(cut: int):
    with pytest.raises(MediaError):
        canonical(LOSSLESS[:cut])


@pytest.mark.parametrize("seed", range(4))
def test_damaged_sounds_are_refused_or_repaired(seed: int):
    from sallet.media.audio import canonical_audio

    rng = np.random.default_rng(seed)
    refused: list[MediaError] = []
    for data in (WAV, FLAC, written("WAV", "FLOAT")):
        for _ in range(40):
            hurt = bytearray(data)
            hurt[int(rng.integers(min(len(hurt), 200)))] ^= int(rng.integers(1, 256))
            try:
                made = canonical_audio(bytes(hurt), limits=Limits(encoded=100_000))
            except MediaError as error:
                refused.append(error)
            else:
                assert float(made.audio.wave.abs().max()) <= 1
    assert refused
    assert all(str(error) == type(error).text for error in refused)


def test_half_a_file_is_refused_where_the_process_would_take_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    refused: list[bool] = []

    def decode_many() -> None:
        for _ in range(20):
            with pytest.raises(Broken):
                decode(HALF, limits=Limits())
            refused.append(True)

    threads = [threading.Thread(target=decode_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 80
    assert ImageFile.LOAD_TRUNCATED_IMAGES, "the process's own wish is put back"


def test_a_black_picture_is_not_half_a_picture():
    black = np.zeros((40, 50, 3), np.uint8)
    assert not canonical(png(black)).image.pixels().any()


@pytest.mark.parametrize("way", [1, 6])
def test_downscaling_is_the_same_whichever_way_up(way: int):
    """An upright file and a turned one of the same picture are one image to the model."""
    from tests.media.corpus.build import exif, turned

    shown = picture(61, 97)
    undo = {1: 1, 6: 8}[way]
    stored = np.ascontiguousarray(turned(shown, undo))
    data = png(stored, before=chunk(b"eXIf", exif(way)))
    sees = Sees(side=40)
    assert canonical(data, sees=sees).digest == canonical(png(shown), sees=sees).digest


def test_sixteen_bits_keep_the_high_byte():
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    found = canonical(png(ramp, depth=16, colour=0)).image.pixels()
    assert np.array_equal(found[..., 0], (ramp >> 8).astype(np.uint8))


@pytest.mark.parametrize(
    ("sees", "size", "fitted"),
    [
        (Sees(), (4000, 3000), (4000, 3000)),
        (Sees(side=1000), (4000, 3000), (1000, 750)),
        (Sees(side=1000), (1000, 10), (1000, 10)),
        (Sees(pixels=1_000_000), (4000, 3000), (1154, 866)),
        (Sees(side=1000, pixels=90_000), (4000, 3000), (346, 259)),
        (Sees(side=10), (5000, 1), (10, 1)),
        (Sees(pixels=100), (1, 5000), (1, 100)),
        (Sees(pixels=1), (640, 480), (1, 1)),
    ],
)
def test_what_a_model_sees(sees: Sees, size: tuple[int, int], fitted: tuple[int, int]):
    assert sees.fit(*size) == fitted
    assert sees.fit(*fitted) == fitted


def test_a_message_for_the_full_size_is_gone_after_downscaling():
    """Every fourth pixel draws what only a careless downscale would show."""
    image = np.full((400, 400, 3), 250, np.uint8)
    image[2::4, 2::4] = 0
    seen = canonical(png(image), sees=Sees(side=100)).image.pixels()
    assert int(seen.max()) - int(seen.min()) < 16
    assert seen.mean() > 200


def test_a_picture_survives_as_it_is():
    assert np.array_equal(canonical(png(PICTURE)).image.pixels(), PICTURE)
    assert not canonical(png(PICTURE)).image.pixels().flags.writeable
