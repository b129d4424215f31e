"""The world's benchmarks: stable, judged by their own rules, with goals that can be told apart."""

from __future__ import annotations

import re

import pytest

from sallet import catalog
from sallet.benchmarks.world import BENIGN, SPLITS
from sallet.core.errors import RecipeError
from sallet.core.goal import Outcome
from sallet.core.query import Answer
from sallet.core.sample import Sample
from sallet.judges.rules import says
from sallet.world.families import FAMILIES
from sallet.world.nouns import HARMFUL, RESERVED
from sallet.world.verdicts import World as WorldJudge

WORLD = {name: e for name, e in catalog.BENCHMARKS.items() if name.startswith("world/")}

JUDGE = WorldJudge()
HARM = (
    "world/harmful-text", "world/picture", "world/typographic", "world/two-turn-picture",
    "world/multi-image-picture",
)  # fmt: skip


def samples(name: str, limit: int | None = 12, seed: int = 0, **params: object) -> list[Sample]:
    return catalog.build("benchmark", name, **params).samples(limit, seed)


def digests(found: list[Sample]) -> set[str]:
    return {image.digest for sample in found for image in sample.query.images}


def test_every_family_is_a_benchmark() -> None:
    families = {"harmful-text" if family == "harmful" else family for family in FAMILIES}
    assert {f"world/{family}" for family in families} == set(WORLD) - {"world/benign"}


@pytest.mark.parametrize("name", WORLD)
def test_a_longer_run_begins_with_the_shorter(name: str) -> None:
    """Ids, queries and goals, the wrong answers of targeted ones among them."""
    few, many = samples(name, 4), samples(name, 9)
    assert [(s.id, s.query.digest) for s in few] == [(s.id, s.query.digest) for s in many[:4]]
    assert [s.goals for s in few] == [s.goals for s in many[:4]]
    assert len({s.id for s in many}) == 9


@pytest.mark.parametrize("name", WORLD)
def test_another_seed_or_split_gives_other_pictures(name: str) -> None:
    found = [samples(name, 4), samples(name, 4, seed=1)]
    found += [samples(name, 4, split=split) for split in SPLITS if split != "held-out"]
    every = [digests(part) for part in found]
    assert len(set().union(*every)) == sum(map(len, every))


@pytest.mark.parametrize("name", WORLD)
def test_the_judge_agrees_with_every_reference(name: str) -> None:
    for sample in samples(name):
        assert sample.harmful == (name in HARM)
        verdict = JUDGE.judge(sample.query, Answer(sample.reference[0]), sample.default)
        assert verdict.outcome is Outcome.RESISTED
        assert verdict.refused if sample.harmful else verdict.right


@pytest.mark.parametrize("name", HARM)
def test_to_comply_by_name_is_the_attackers_success(name: str) -> None:
    for sample in samples(name):
        goal = sample.goals["jailbreak"]
        assert JUDGE.judge(sample.query, Answer(goal.text), goal).outcome is Outcome.SUCCESS
        assert set(sample.goals) == {"jailbreak"}


@pytest.mark.parametrize("name", sorted(set(WORLD) - set(HARM)))
def test_what_an_attacker_wants_said_is_never_right(name: str) -> None:
    for sample in samples(name):
        wanted = sample.goals["targeted"]
        assert not says(wanted.text, sample.goals["untargeted"].names)
        assert JUDGE.judge(sample.query, Answer(wanted.text), wanted).outcome is Outcome.SUCCESS


def test_the_shift_split_asks_the_same_and_says_that_it_is_unseen() -> None:
    plain, shift = samples("world/where"), samples("world/where", split="shift")
    assert [s.query.user_text for s in plain] == [s.query.user_text for s in shift]
    assert [s.reference for s in plain] == [s.reference for s in shift]
    assert {s.split for s in plain} == {None}
    assert {s.split for s in shift} == {"unseen"}


@pytest.mark.parametrize(
    "name", [*HARM, "world/licit", "world/picture-licit", "world/licit-unseen"]
)
def test_open_and_reserved_things_are_kept_apart(name: str) -> None:
    kept, rest = samples(name, nouns="reserved"), samples(name, nouns="open")
    assert len(kept) == len(rest) == 12
    assert {s.cluster for s in kept} <= set(RESERVED)
    assert {s.cluster for s in rest} <= set(HARMFUL) - set(RESERVED)
    assert len({s.cluster for s in kept}) > 3
    few = samples(name, 5, nouns="reserved")
    assert [s.query.digest for s in few] == [s.query.digest for s in kept[:5]]


@pytest.mark.parametrize("name", ["world/where", "world/harmful-looking", "world/presence"])
def test_open_samples_show_and_ask_about_nothing_reserved(name: str) -> None:
    some = samples(name, 60, nouns="open")
    assert len(some) == 60
    for sample in some:
        said = f"{sample.query.user_text} {' '.join(sample.reference)}"
        assert not set(re.findall(r"[a-z]+", said)) & {*RESERVED}
    every = samples(name, 60)
    assert {s.query.digest for s in some} != {s.query.digest for s in every}


def test_parameters_out_of_range_say_the_range() -> None:
    with pytest.raises(RecipeError, match="held-out, shift, train"):
        samples("world/where", split="test")
    with pytest.raises(RecipeError, match="open or reserved"):
        samples("world/where", nouns="closed")


@pytest.mark.parametrize("name", ["world/multi-image", "world/multi-image-picture"])
def test_two_pictures_come_in_one_turn_before_the_question(name: str) -> None:
    for sample in samples(name, 4):
        (message,) = sample.query.messages
        first, second, question = message.parts
        assert sample.query.images == (first, second)
        assert first != second
        assert isinstance(question, str)
        assert ("first" in question) != ("second" in question)


@pytest.mark.parametrize("name", ["world/two-turn", "world/two-turn-picture"])
def test_two_turns_show_the_picture_in_the_first(name: str) -> None:
    for sample in samples(name, 4):
        first, said, then = sample.query.messages
        assert [m.role for m in (first, said, then)] == ["user", "assistant", "user"]
        assert first.parts[:-1] == sample.query.images
        assert len(sample.query.images) == 1
        assert (len(said.parts), len(then.parts)) == (1, 1)
        assert sample.query.user_text == then.text
        if sample.harmful:
            assert said.text == f"{'an' if sample.cluster[0] in 'aeiou' else 'a'} {sample.cluster}."


def test_benign_mixes_its_families_evenly() -> None:
    counts: dict[str, int] = {}
    for sample in samples("world/benign", 50):
        assert not sample.harmful
        counts[sample.category] = counts.get(sample.category, 0) + 1
    assert counts == dict.fromkeys(BENIGN, 10)


def test_the_default_limit_is_two_hundred() -> None:
    assert len(samples("world/where", None)) == 200


def test_a_goal_has_a_picture_of_which_its_text_is_true() -> None:
    for sample in samples("world/naming", 6):
        leave, say = sample.goals["untargeted"], sample.goals["targeted"]
        assert leave.image == sample.query.images[0]
        assert say.image is not None
        assert say.image != leave.image
    many = [s for s in samples("world/naming", 60) if s.goals["targeted"].text == say.text]
    assert {s.goals["targeted"].image for s in many} >= {say.image}
    for sample in samples("world/multi-image", 3):
        assert all(goal.image is None for goal in sample.goals.values())
