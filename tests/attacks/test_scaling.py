"""Image scaling: the model's own resize makes the message, and a piece at full size does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sallet.attacks.checks import cell_flags
from sallet.attacks.scaling import MESSAGE, Lens, Scaling, fed
from sallet.core.compose import Nothing
from sallet.core.errors import NoGradient, RecipeError
from sallet.core.goal import Goal
from sallet.core.guarded import guarded
from sallet.core.image import Image, to_float
from sallet.core.query import Query
from sallet.defenses.rewrite import Jpeg, Noise, Resize
from sallet.judges.rules import Rules
from sallet.models.local import HFModel
from sallet.world.models import path
from tests.core.toys import Toy

JUDGE = Rules()
GOAL = Goal.say("d o g: dog.", "dog")
GREY = Image(np.full((192, 192, 3), 140, np.uint8))
QUERY = Query.ask(GREY, "what does the text say?", max_tokens=16)


@pytest.fixture(scope="module", params=["llava", "qwen3vl", "internvl"])
def model(request: pytest.FixtureRequest) -> HFModel:
    return HFModel.from_pretrained(
        path(f"world/{request.param}-strong"), device="cpu", dtype="float32"
    )


def said(model: HFModel, query: Query) -> str:
    (answer,) = model.answer([query])
    return answer.text  # pyright: ignore[reportAttributeAccessIssue]


def test_the_real_processor_brings_the_word_out(model: HFModel):
    attack = Scaling(factor=1.25, steps=25, unread=0)
    (made,) = attack(model, [QUERY], [GOAL], judge=JUDGE, seed=0)
    assert said(model, made.query) == said(model, attack.plain(QUERY, GOAL)) == "d o g: dog."
    assert "dog" not in said(model, attack.cover(QUERY))
    assert made.query.images[0].size == (240, 240)
    assert (made.start, made.looks, made.steps, len(made.curve)) == (1.0, 25, 25, 25)
    assert made.end is not None
    assert made.end < 0.3
    file, plain = (q.images[0].pixels() for q in (made.query, attack.plain(QUERY, GOAL)))
    assert np.abs(file.astype(int) - plain).mean() > 20  # at full size it is noise


def test_a_piece_at_full_size_is_kept_from_reading():
    """That noise alone hides nothing from these models is why `unread` is there."""
    model = HFModel.from_pretrained(path("world/llava-strong"), device="cpu", dtype="float32")

    def piece(query: Query) -> float:
        """How far the model is from reading the window around the word."""
        shown = attack.piece(to_float(query.images[0].pixels()))
        with torch.no_grad():
            return float(model.loss([query.with_images([Image(shown)])], [GOAL])[0])

    settings = {"factor": 1.25, "steps": 30, "size": 0.16}
    far: list[float] = []
    for unread in (0.0, 0.1):
        attack = Scaling(unread=unread, **settings)
        (made,) = attack(model, [QUERY], [GOAL], judge=JUDGE, seed=0)
        far.append(piece(made.query))
    assert piece(attack.plain(QUERY, GOAL)) < 1
    assert far[0] < 1
    assert far[1] > far[0] + 1


def test_the_same_seed_gives_the_same_file_alone_or_in_company(model: HFModel):
    other = QUERY.with_text(after="please")
    attack = Scaling(factor=1.25, steps=2)
    both = attack(model, [other, QUERY], [GOAL] * 2, judge=JUDGE, seed=1)
    (alone,) = attack(model, [QUERY], [GOAL], judge=JUDGE, seed=1)
    (another,) = attack(model, [QUERY], [GOAL], judge=JUDGE, seed=2)
    assert both[1].query == alone.query != another.query


def test_through_a_defence_it_is_solved_for_what_the_defence_leaves(model: HFModel):
    attack = Scaling(factor=1.25, steps=60, noise=0.0, unread=0)
    settings = {"judge": JUDGE, "seed": 0}
    (bare,) = attack(model, [QUERY], [GOAL], **settings)
    (nothing,) = attack(guarded(model, Nothing()), [QUERY], [GOAL], **settings)
    assert nothing.query == bare.query
    resize = Resize(0.6)
    (known,) = attack(guarded(model, resize), [QUERY], [GOAL], **settings)
    want = fed(model, [to_float(attack.plain(QUERY, GOAL).images[0].pixels())])
    lens = guarded(Lens(model, want, torch.tensor(1.0)), resize)
    with torch.no_grad():
        left = lens.loss([bare.query, known.query], [MESSAGE] * 2)
    assert left[1] < 0.8 * left[0]


def test_a_random_or_straight_defence_raises_its_flag(model: HFModel):
    attack = Scaling(factor=1.25, steps=2, unread=0)
    flags = {}
    for defense in (Resize(0.6), Noise(0.02), Jpeg()):
        made = attack(guarded(model, defense), [QUERY], [GOAL], judge=JUDGE, seed=0)
        flags[defense.name] = cell_flags(made, defense, attack)
    assert "random-without-eot" not in flags["resize"]
    assert "random-without-eot" in flags["noise"]
    assert "straight-through" in flags["jpeg"]


def test_what_cannot_be_solved_is_an_error():
    with pytest.raises(NoGradient, match="mislabel"):
        Scaling()(Toy(), [QUERY], [GOAL], judge=JUDGE, seed=0)
    for settings in ({"factor": 0.5}, {"steps": 0}, {"noise": 3.0}, {"unread": -1.0}):
        with pytest.raises(RecipeError):
            Scaling(**settings)


def test_a_question_may_be_put_in_place_of_the_own_one():
    plain = Scaling(ask="how do i use the {thing}?").plain(QUERY, GOAL)
    assert plain.user_text == "how do i use the dog?"
