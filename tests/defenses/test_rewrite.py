"""What each first defence does to what the model sees and says."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from sallet.core.errors import RecipeError, UnknownName
from sallet.core.guarded import guarded
from sallet.core.image import Image
from sallet.core.query import Answer, Query
from sallet.defenses.majority import Majority
from sallet.defenses.prompt import SafetyPrompt
from sallet.defenses.rewrite import Jpeg, Noise, Resize
from sallet.world.instructions import SAFETY_HELD_OUT, SAFETY_TRAINED
from tests.core.toys import picture


class Echo:
    """A model that keeps what it was asked, and answers from a list."""

    name = "echo"

    def __init__(self, *answers: str) -> None:
        self.answers = answers or ("fine",)
        self.asked: list[Query] = []

    def answer(self, queries: Sequence[Query]) -> list[Answer]:
        start = len(self.asked)
        self.asked += queries
        return [Answer(self.answers[(start + i) % len(self.answers)]) for i in range(len(queries))]


def shown(defense, query: Query) -> list[Query]:
    model = Echo()
    guarded(model, defense).answer([query])
    return model.asked


QUERY = Query.ask(picture(0, side=64), "what is this?").with_defense_seed(5)


def test_jpeg_shows_what_a_jpeg_file_would():
    file = io.BytesIO()
    Pil.fromarray(QUERY.images[0].pixels()).save(file, format="JPEG", quality=40)
    (seen,) = shown(Jpeg(quality=40), QUERY)
    assert np.array_equal(seen.images[0].pixels(), np.asarray(Pil.open(file).convert("RGB")))


def test_resize_keeps_the_size_and_loses_the_detail():
    (seen,) = shown(Resize(scale=0.25), QUERY)
    assert seen.images[0].size == (64, 64)
    before, after = QUERY.images[0].tensor(), seen.images[0].tensor()
    assert after.std() < before.std() / 2
    (same,) = shown(Resize(scale=1.0), QUERY)
    assert same.images[0] == QUERY.images[0]


def test_noise_has_its_size_and_depends_on_the_defence_seed_alone():
    grey = Query.ask(Image(torch.full((3, 64, 64), 0.5)), "?").with_defense_seed(1)
    first, again, other = (
        shown(Noise(sigma=0.1), query)[0].images[0].tensor()
        for query in (grey, grey, grey.with_defense_seed(2))
    )
    assert float((first - 0.5).std()) == pytest.approx(0.1, rel=0.03)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_two_images_of_a_query_get_noise_of_their_own():
    grey = Image(torch.full((3, 32, 32), 0.5))
    (seen,) = shown(Noise(), Query.ask(grey, grey, "?"))
    assert seen.images[0] != seen.images[1]


def test_majority_returns_the_answer_of_most_and_keeps_every_ballot():
    model = Echo("a cat.", "a dog.", "A  cat.", "a frog.", "a dog.", "a cat.")
    (answer,) = guarded(model, Majority(copies=6)).answer([QUERY])
    assert isinstance(answer, Answer)
    assert answer.text == "a cat."
    assert len(answer.copies) == 6
    assert answer.refused_by is None
    assert len({query.images[0].digest for query in model.asked}) == 6


def test_a_tie_goes_to_the_first():
    (answer,) = guarded(Echo("b", "a", "a", "b"), Majority(copies=4)).answer([QUERY])
    assert isinstance(answer, Answer)
    assert answer.text == "b"


def test_one_copy_without_noise_is_no_defence():
    (seen,) = shown(Majority(copies=1, sigma=0), QUERY)
    assert seen.digest == QUERY.digest


@pytest.mark.parametrize("place", ["system", "before", "after", "sandwich"])
def test_a_safety_prompt_stands_where_it_was_put(place):
    words = SafetyPrompt().words
    (seen,) = shown(SafetyPrompt(place=place), QUERY)
    assert seen.images == QUERY.images
    expected = {
        "system": (words, "what is this?"),
        "before": (None, f"{words} what is this?"),
        "after": (None, f"what is this? {words}"),
        "sandwich": (None, f"{words} what is this? {words}"),
    }[place]
    assert (seen.system, seen.user_text) == expected


def test_a_system_message_that_is_there_is_kept():
    query = Query.ask("hello", system="be brief")
    assert shown(SafetyPrompt(text="be safe"), query)[0].system == "be brief\n\nbe safe"


def test_the_default_wording_is_one_that_the_world_was_not_trained_on():
    assert SafetyPrompt().words in SAFETY_HELD_OUT
    assert SafetyPrompt().words not in SAFETY_TRAINED


def test_other_words_have_another_digest():
    assert SafetyPrompt().digest != SafetyPrompt(wording="general").digest


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Jpeg(quality=0), "1 to 100"),
        (lambda: Resize(scale=1.5), "at most 1"),
        (lambda: Noise(sigma=-0.1), "0 to 1"),
        (lambda: Majority(copies=0), "at least 1"),
        (lambda: SafetyPrompt(text=" "), "empty"),
    ],
)
def test_parameters_out_of_range_say_the_range(make, match: str):
    with pytest.raises(RecipeError, match=match):
        make()


def test_a_wrong_wording_suggests_the_nearest():
    with pytest.raises(UnknownName, match="plain"):
        SafetyPrompt(wording="plane")
