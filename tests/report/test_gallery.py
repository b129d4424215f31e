from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from sallet.report import gallery, pictures
from sallet.runs.store import read_rows


def test_the_difference_is_amplified_around_grey_and_clipped():
    clean = np.full((2, 2, 3), 100, np.uint8)
    hostile = clean.copy()
    hostile[0, 0], hostile[1, 1] = 104, 60
    shown = pictures.difference(clean, hostile)
    assert shown[0, 1].tolist() == [128] * 3
    assert shown[0, 0].tolist() == [168] * 3
    assert shown[1, 1].tolist() == [0] * 3


def test_a_picture_is_a_png_of_the_same_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    uri = pictures.picture(pixels, "", "").uri
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)


def test_a_large_picture_is_shown_smaller_and_says_so():
    shown = pictures.picture(np.zeros((500, 1000, 3), np.uint8), "", "clean")
    assert (shown.width, shown.height) == (pictures.SIDE, pictures.SIDE // 2)
    assert "1000×500" in shown.caption


def test_examples_are_first_successes_then_first_resisted(run: Path):
    rows = read_rows(run)
    chosen = gallery.choose(rows)
    outcomes = [any(row.outcome == "success" for row in group) for group in chosen]
    assert outcomes[: gallery.HITS] == [True] * gallery.HITS
    held = chosen[gallery.HITS : gallery.MOST]
    assert len(held) == gallery.MOST - gallery.HITS
    assert all(row.outcome == "resisted" for group in held for row in group)
    shared = next(g for g in chosen if g[0].key.access == "oblivious")
    assert len(shared) == 5, "an image that knows no defence was shown to all"
    assert all(len({row.hostile_images for row in group}) == 1 for group in chosen)
    first = next(row for row in rows if row.cell == shared[0].cell and row.outcome == "success")
    assert shared[0].sample <= first.sample


def test_a_sample_that_was_wrong_before_is_no_success(run: Path):
    for group in gallery.choose(read_rows(run)):
        shown = [gallery._voice(row, benign=False) for row in group if row.eligible is False]
        assert all(voice.outcome in ("uncounted", "unassessed") for voice in shown)


def test_the_gallery_keeps_its_size(run: Path, monkeypatch):
    rows = read_rows(run)
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    monkeypatch.setattr(gallery, "BYTES", 400_000)
    shown = gallery.gallery(rows, lambda digest: noise)
    sizes = [len(p.uri) for example in shown.examples for p in example.pictures]
    assert 0 < sum(sizes) <= 400_000
    assert shown.left_out > 0


def test_images_that_were_not_kept_are_said_to_be(run: Path):
    shown = gallery.gallery(read_rows(run), lambda digest: None)
    assert all(not example.pictures and "not kept" in example.note for example in shown.examples)
