"""An image file gives upright RGB pixels, or an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from sallet.core.errors import Broken, InputError, TooManyBytes, TooManyPixels, UnknownFormat
from sallet.core.image import Image
from sallet.media.encode import encode
from sallet.media.file import open_image
from sallet.media.limits import Limits, Sees
from tests.media.corpus.build import chunk, exif, png

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_a_png_is_its_pixels_and_has_their_digest(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image(PIXELS)))
    image = open_image(path)
    assert np.array_equal(image.pixels(), PIXELS)
    assert image.size == (20, 30)
    assert image == Image(PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int):
    path = tmp_path / "a.jpg"
    exif = Pil.Exif()
    exif[0x0112] = orientation
    Pil.fromarray(PIXELS).save(path, exif=exif, quality=95)
    image = open_image(path)
    expected = (20, 30) if orientation < 5 else (30, 20)
    assert image.size == expected
    assert image.pixels().shape == (*expected, 3)


def test_what_is_transparent_shows_white(tmp_path: Path):
    path = tmp_path / "a.png"
    layered = np.dstack([PIXELS, np.zeros((20, 30), np.uint8)])
    Pil.fromarray(layered, "RGBA").save(path)
    assert open_image(path).pixels().min() == 255


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Pil.fromarray(PIXELS).convert(mode).save(path)
    assert open_image(path).pixels().shape == (20, 30, 3)


def test_a_png_turns_by_exif_that_stands_behind_its_pixels(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(png(PIXELS, after=chunk(b"eXIf", exif(6))))
    image = open_image(path)
    assert image.size == (30, 20)
    assert np.array_equal(image.pixels(), np.rot90(PIXELS, -1))


def test_its_size_is_that_of_what_is_seen(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image(PIXELS)))
    image = open_image(path, sees=Sees(side=15))
    assert image.size == image.pixels().shape[:2] == (10, 15)


def test_what_is_no_image_is_an_error_that_names_the_file(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(UnknownFormat, match="convert it to PNG") as caught:
        open_image(path)
    assert str(path) in str(caught.value)


def test_a_truncated_file_is_an_error(tmp_path: Path):
    path = tmp_path / "a.png"
    whole = encode(Image(PIXELS))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Broken, match="cut off"):
        open_image(path)


def test_a_missing_file_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="check the path"):
        open_image(tmp_path / "none.png")


def test_a_bomb_is_refused_by_its_header(tmp_path: Path):
    path = tmp_path / "a.png"
    Pil.new("1", (9_000, 9_000)).save(path)
    with pytest.raises(TooManyPixels, match="scale it down"):
        open_image(path)


def test_a_folder_is_no_image(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        open_image(tmp_path)


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole, not data
    with pytest.raises(TooManyBytes):
        open_image(path, limits=Limits(encoded=1000))
