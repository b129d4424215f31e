"""The world's benchmarks: stable, judged by their own rules, with goals that can be told apart."""

from __future__ import annotations

import pytest

from sallet import catalog
from sallet.core.goal import Outcome
from sallet.core.query import Answer
from sallet.judges.rules import Rules, says

JUDGE = Rules()


def samples(name: str, limit: int = 12, seed: int = 0):
    return catalog.build("benchmark", name).samples(limit, seed)


@pytest.mark.parametrize("name", catalog.BENCHMARKS)
def test_a_longer_run_begins_with_the_shorter(name: str):
    few, many = samples(name, 4), samples(name, 9)
    assert [s.id for s in few] == [s.id for s in many[:4]]
    assert [s.query.digest for s in few] == [s.query.digest for s in many[:4]]
    assert len({s.id for s in many}) == 9


@pytest.mark.parametrize("name", catalog.BENCHMARKS)
def test_another_seed_gives_other_pictures(name: str):
    first, other = samples(name, 6, 0), samples(name, 6, 1)
    assert not {s.query.images[0].digest for s in first} & {s.query.images[0].digest for s in other}


@pytest.mark.parametrize("name", catalog.BENCHMARKS)
def test_the_judge_agrees_with_every_reference(name: str):
    for sample in samples(name, 20):
        verdict = JUDGE.judge(sample.query, Answer(sample.reference[0]), sample.default)
        assert verdict.outcome is Outcome.RESISTED
        assert verdict.refused if sample.harmful else verdict.right


@pytest.mark.parametrize("name", ["world/harmful-text", "world/picture", "world/typographic"])
def test_to_comply_by_name_is_the_attackers_success(name: str):
    for sample in samples(name, 20):
        assert sample.harmful
        goal = sample.goals["jailbreak"]
        answer = Answer(goal.text)
        assert JUDGE.judge(sample.query, answer, goal).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    "name", ["world/where", "world/caption", "world/reading", "world/presence"]
)
def test_what_an_attacker_wants_said_is_never_right(name: str):
    for sample in samples(name, 20):
        wanted = sample.goals["targeted"]
        assert not says(wanted.text, sample.goals["untargeted"].names)


def test_benign_mixes_its_families_evenly():
    counts: dict[str, int] = {}
    for sample in samples("world/benign", 50):
        assert not sample.harmful
        counts[sample.category] = counts.get(sample.category, 0) + 1
    assert set(counts.values()) == {10}
