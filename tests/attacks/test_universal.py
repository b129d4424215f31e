"""One thing for many queries: it works on queries that it was not found on, noise does not."""

from __future__ import annotations

import numpy as np
import pytest

from sallet.attacks.control import SharedNoise
from sallet.attacks.hijack import Hijack
from sallet.attacks.universal import Universal
from sallet.core.errors import NoGradient, RecipeError, UsageError
from sallet.core.goal import Goal, Outcome
from sallet.core.guarded import guarded
from sallet.core.protocols import Enough, Shared, Wilful
from sallet.core.query import Answer, Query
from sallet.judges.rules import Rules
from tests.attacks.test_descent import JUDGE, distance, rate
from tests.core.toys import Smooth, Toy, picture

# The toy's answer depends on the length of the question: each is another goal.
QUERIES = [Query.ask(picture(i), f"what colour {'?' * (i % 6)}") for i in range(36)]
SEEN, UNSEEN = QUERIES[:18], QUERIES[18:]


def blue(queries) -> list[Goal]:
    return [Goal.say("blue") for _ in queries]


def rates(attack, model=None) -> tuple[float, float]:
    model = model or Toy()
    found = attack.fit(model, SEEN, blue(SEEN), judge=JUDGE, seed=0)
    return tuple(
        rate(model, [h.query for h in attack.lay(found, queries)], blue(queries))
        for queries in (SEEN, UNSEEN)
    )


@pytest.mark.parametrize("base", ["grey", "noise", "first"])
def test_one_image_near_its_base_carries_over_and_noise_does_not(base: str):
    attack = Universal(eps=48, base=base, steps=60)
    assert min(rates(attack)) >= 0.9
    noise = SharedNoise(eps=48, base=base)
    assert max(rates(noise)) <= 0.5
    images = []
    for one in (attack, noise):
        found = one.fit(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
        (image,) = found.query.images
        images.append(image.pixels().astype(int))
        assert {h.query.images[0].digest for h in one.lay(found, UNSEEN)} == {image.digest}
    # Both are about the same base.
    base_of = {"grey": 128, "first": picture(0).pixels().astype(int)}
    if base in base_of:
        assert all(0 < np.abs(image - base_of[base]).max() <= 48 for image in images)
    assert np.abs(images[0] - images[1]).max() <= 96


@pytest.mark.parametrize(("norm", "eps"), [("l2", 300.0), ("l2", 20.0), ("linf", 2.6)])
def test_the_file_of_one_image_is_in_its_ball_after_rounding(norm: str, eps: float):
    for one in (Universal(eps=eps, norm=norm, steps=20), SharedNoise(eps=eps, norm=norm)):
        (image,) = one.fit(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0).query.images
        change = image.pixels().astype(int) - 128
        size = np.abs(change).max() if norm == "linf" else np.sqrt((change**2).sum())
        assert 0 < size <= eps


def test_one_change_is_within_eps_of_every_picture_of_any_size():
    queries = [Query.ask(picture(i, 10 + i % 5), "what colour ?") for i in range(20)]
    attack, model = Universal(eps=64, form="change", steps=60), Toy()
    before = rate(model, queries, blue(queries))
    made = attack(model, queries, blue(queries), judge=JUDGE, seed=0)
    for query, one in zip(queries, made, strict=True):
        assert 0 < np.abs(distance(query, one.query)).max() <= 64
    assert rate(model, [h.query for h in made], blue(queries)) >= max(0.8, before + 0.3)


def test_one_patch_is_on_every_picture():
    attack = Universal(eps=255, form="patch", side=0.7, location="centre", steps=60, step=16)
    assert min(rates(attack)) >= 0.8
    found = attack.fit(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
    (patch,) = found.query.images
    for query, made in zip(UNSEEN, attack.lay(found, UNSEEN), strict=True):
        assert np.array_equal(made.query.images[0].pixels()[2:10, 2:10], patch.pixels())
        assert not distance(query, made.query)[0][:2].any()


def test_the_best_is_kept_the_curve_is_whole_and_the_seed_decides():
    attack, model = Universal(eps=48, steps=30, check_every=10, pairs=4, asked=6), Toy()
    found = attack.fit(model, SEEN, blue(SEEN), judge=JUDGE, seed=0)
    again = attack.fit(model, SEEN, blue(SEEN), judge=JUDGE, seed=0)
    other = attack.fit(model, SEEN, blue(SEEN), judge=JUDGE, seed=1)
    assert found.query.digest == again.query.digest != other.query.digest
    assert (found.steps, found.asks, found.looks, len(found.curve)) == (30, 18, 120, 30)
    assert found.end is not None
    assert found.start is not None
    assert found.end < found.start


def test_questions_of_one_step_share_the_very_same_image():
    class Watching(Toy):
        def loss(self, queries, goals):
            assert len({id(query.images[0]) for query in queries}) == 1
            return super().loss(queries, goals)

    assert Universal(steps=3)(Watching(), SEEN, blue(SEEN), judge=JUDGE, seed=0)


def test_stopped_early_or_by_hand_it_gives_what_it_has():
    soon = Universal(eps=255, steps=100, check_every=5, stop_early=True)
    found = soon.fit(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
    assert found.steps < 100
    assert rate(Toy(), [h.query for h in soon.lay(found, SEEN)], blue(SEEN)) == 1

    def enough(going):
        if going.done == 7:
            raise Enough

    stopped = Universal(steps=100).fit(
        Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0, progress=enough
    )
    assert stopped.steps == 7
    assert stopped.query.images


def test_through_a_random_defence_it_carries_over_too():
    assert min(rates(Universal(eps=64, steps=40), guarded(Toy(), Smooth(3)))) >= 0.8


def test_a_hijack_wants_its_own_whatever_it_is_given():
    attack = Hijack(behaviour="string", text="green", eps=64, steps=60)
    assert isinstance(attack, Shared)
    assert isinstance(attack, Wilful)
    assert not isinstance(Universal(), Wilful)
    made = attack(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
    own = [attack.wants(query) for query in SEEN]
    assert rate(Toy(), [h.query for h in made], own) >= 0.9
    start = Hijack(behaviour="string", text="green", eps=64, steps=0)
    control = start(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
    assert rate(Toy(), [h.query for h in control], own) <= 0.5
    assert Hijack(behaviour="repeat").wants(SEEN[3]) == Goal.say(SEEN[3].user_text)


def test_any_refusal_is_a_denial_of_service_and_nothing_else_is():
    goal, query = Goal.refuse("I can't help with that."), SEEN[0]
    said = {
        "I'm sorry, but I cannot assist with this request.": Outcome.SUCCESS,
        "The background is blue.": Outcome.RESISTED,
    }
    for text, outcome in said.items():
        assert Rules().judge(query, Answer(text), goal).outcome is outcome
    by_defense = Answer("no", refused_by="defense:screen")
    assert Rules().judge(query, by_defense, goal).outcome is Outcome.SUCCESS
    plain = Goal.say("I can't help with that.")
    assert Rules().judge(query, Answer("Sorry, no."), plain).outcome is Outcome.RESISTED


def test_an_image_file_may_be_the_base(tmp_path):
    from sallet.media.encode import encode

    path = tmp_path / "base.png"
    path.write_bytes(encode(picture(7, 20)))
    found = Universal(eps=4, steps=2, base=str(path)).fit(
        Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0
    )
    moved = found.query.images[0].pixels().astype(int) - picture(7, 20).pixels()
    assert 0 < np.abs(moved).max() <= 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"form": "ring"}, {"pairs": 0}, {"steps": -1}, {"eps": 0.5}, {"form": "patch"},
        {"form": "change", "eps": 200}, {"form": "change", "norm": "l2"}, {"momentum": 1},
    ],
)  # fmt: skip
def test_wrong_settings_are_met_with_what_is_meant(wrong):
    with pytest.raises(UsageError):
        Universal(**wrong)


def test_what_cannot_be_is_said():
    class Closed:
        name = "closed"

        def answer(self, queries):
            return [Answer("red") for _ in queries]

    with pytest.raises(NoGradient, match="transfer"):
        Universal()(Closed(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
    with pytest.raises(RecipeError, match="has none"):
        Universal()(Toy(), [Query.ask("what colour ?")], blue([0]), judge=JUDGE, seed=0)
    with pytest.raises(RecipeError, match="there is no 'gray'"):
        Universal(base="gray")(Toy(), SEEN, blue(SEEN), judge=JUDGE, seed=0)
    with pytest.raises(RecipeError, match="text"):
        Hijack(behaviour="string")
    assert Universal()(Toy(), [], [], judge=JUDGE, seed=0) == []
