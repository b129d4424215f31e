"""The atlas: every thing and letter, two drawings of each thing, made from named glyphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from sallet.world.atlas import (
    DATA,
    EMOJI_FONT,
    FONTS,
    LETTER_FONTS,
    LETTERS,
    SHIFT_FONTS,
    AtlasError,
    build,
    letter,
    sprite,
)
from sallet.world.nouns import NOUNS, PICTOGRAMS, REDRAWN


def test_the_sheets_were_made_of_the_present_nouns_in_their_order() -> None:
    facts = json.loads((DATA / "atlas.json").read_text(encoding="utf-8"))
    assert list(facts["nouns"].items()) == list(PICTOGRAMS.items())
    assert list(facts["redrawn"].items()) == list(REDRAWN.items())
    assert list(facts["sources"]["letters"]) == list(LETTER_FONTS) == [*FONTS, *SHIFT_FONTS]


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_two_drawings_that_differ(noun: str) -> None:
    (colour, alpha), (other, beta) = sprite(noun, 60), sprite(noun, 60, redrawn=True)
    assert min(alpha.mean(), beta.mean()) > 0.1
    covered = np.maximum(alpha, beta)[..., 0] > 0.1
    changed = np.abs(colour - other).mean(2) > 24
    assert changed[covered].mean() > 0.2


@pytest.mark.parametrize("redrawn", [False, True])
def test_no_two_nouns_are_drawn_alike(redrawn: bool) -> None:
    drawn = np.stack([sprite(noun, 24, redrawn=redrawn)[0] for noun in NOUNS])
    for i in range(len(NOUNS) - 1):
        assert np.abs(drawn[i + 1 :] - drawn[i]).mean((1, 2, 3)).min() > 3


@pytest.mark.parametrize("font", LETTER_FONTS)
def test_every_letter_of_every_font_is_there_and_its_own(font: str) -> None:
    drawn = [letter(character, font, 40) for character in LETTERS]
    assert min(cover.mean() for cover in drawn) > 0.03
    assert len({cover.tobytes() for cover in drawn}) == len(LETTERS)


def test_fonts_differ() -> None:
    assert len({letter("g", font, 40).tobytes() for font in LETTER_FONTS}) == len(LETTER_FONTS)


def test_building_without_fonts_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=f"expected a font at .*{Path(EMOJI_FONT).name}"):
        build(fonts=tmp_path, out=tmp_path / "out")


def test_building_from_what_is_no_font_says_so(tmp_path: Path) -> None:
    (tmp_path / EMOJI_FONT).parent.mkdir(parents=True)
    (tmp_path / EMOJI_FONT).write_bytes(b"no font")
    with pytest.raises(AtlasError, match="readable"):
        build(fonts=tmp_path, out=tmp_path / "out")


def test_a_font_that_lacks_a_glyph_is_refused_by_the_glyphs_name(tmp_path: Path) -> None:
    plain = ImageFont.load_default(20)  # Pillow's own font: letters, and a box for all else
    assert isinstance(plain, ImageFont.FreeTypeFont)
    (tmp_path / EMOJI_FONT).parent.mkdir(parents=True)
    (tmp_path / EMOJI_FONT).write_bytes(plain.font_bytes)
    with pytest.raises(AtlasError, match=f"'knife' .{PICTOGRAMS['knife']}"):
        build(fonts=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out" / "sprites.png").exists()
