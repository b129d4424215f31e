"""A query's media parts are admitted as an upload of them would be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sallet.core.errors import Broken, TooManyParts, TooManyPixels, TooMuchSound
from sallet.core.image import Image
from sallet.core.query import Audio, Message, Query
from sallet.media.audio import canonical_audio
from sallet.media.canonical import canonical
from sallet.media.encode import encode
from sallet.media.file import ImageFile, open_image
from sallet.media.limits import Limits, Sees
from sallet.media.parts import admit, check_count
from tests.media.corpus.build import picture, png
from tests.media.corpus.sound import STEREO, wav

PHOTO = picture(120, 160)
SEES = Sees(side=64)


def test_pixels_in_memory_are_as_after_an_upload():
    query = Query.ask("look", Image(PHOTO), system="be good", seed=3).with_defense_seed(9)
    admitted = admit(query, sees=SEES)
    assert admitted.images[0] == canonical(encode(Image(PHOTO)), sees=SEES).image
    assert admitted.images[0].size == (48, 64)
    assert (admitted.user_text, admitted.system) == ("look", "be good")
    assert (admitted.sampling, admitted.defense_seed) == (query.sampling, 9)
    assert admit(admitted, sees=SEES) == admitted
    assert admit(query) == query


def test_a_file_stays_a_file(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(png(PHOTO))
    (image,) = admit(Query.ask(open_image(path)), sees=SEES).images
    assert isinstance(image.source, ImageFile)
    assert image == canonical(png(PHOTO), sees=SEES).image
    with pytest.raises(TooManyPixels):
        admit(Query.ask(open_image(path)), limits=Limits(pixels=100))


def test_views_are_kept(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(png(PHOTO))
    darker = open_image(path).view(lambda seen: seen * 0)
    assert not admit(Query.ask(darker)).images[0].pixels().any()


def test_an_attack_keeps_its_gradient():
    tensor = torch.rand(3, 100, 100, requires_grad=True)
    (image,) = admit(Query.ask(Image(tensor)), sees=SEES).images
    image.tensor().sum().backward()
    assert tensor.grad is not None
    with pytest.raises(TooManyPixels):
        admit(Query.ask(Image(tensor)), limits=Limits(side=50))


def test_sounds_are_as_after_an_upload():
    uploaded = canonical_audio(wav(STEREO)).audio
    loud = Audio(uploaded.wave + 1e-6, uploaded.rate)
    turns = (Message("user", (loud, "what?")), Message("assistant", ("a tone",)))
    (part, _) = admit(Query(turns)).messages[0].parts
    assert isinstance(part, Audio)
    assert torch.equal(part.wave, uploaded.wave)


@pytest.mark.parametrize(
    ("audio", "error"),
    [
        (Audio(torch.zeros(3, 9), 16_000), TooMuchSound),
        (Audio(torch.zeros(1, 9), 1), TooMuchSound),
        (Audio(torch.zeros(1, 7_000_000), 8_000), TooMuchSound),
        (Audio(torch.zeros(1, 0), 16_000), Broken),
        (Audio(torch.full((1, 9), torch.nan), 16_000), Broken),
    ],
)
def test_sounds_out_of_limits_are_refused(audio: Audio, error: type[Exception]):
    with pytest.raises(error):
        admit(Query.ask(audio))


def test_too_many_parts_are_refused():
    image, limits = Image(PHOTO), Limits(parts=2)
    turns = (Message("user", (image, "a")), Message("user", (image, image)))
    with pytest.raises(TooManyParts):
        admit(Query(turns), limits=limits)
    assert len(admit(Query(turns[:1]), limits=limits).images) == 1
    check_count(2, limits)
    with pytest.raises(TooManyParts):
        check_count(3, limits)
