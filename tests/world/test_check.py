"""The check: every figure counts what its name says, with an interval and its n."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sallet.judges.rules import refuses
from sallet.world.check import BENIGN, MEASURES, Asker, Found, chat, check, under_safety
from sallet.world.families import FAMILIES, items
from sallet.world.phrases import REFUSALS
from sallet.world.questions import complied
from sallet.world.render import render


@pytest.fixture(scope="module")
def asker(tiny: Path) -> Asker:
    return Asker(tiny / "strong", batch=4)


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_counts_its_right_answers_and_not_others(name: str) -> None:
    measure = MEASURES[name]
    assert set(measure.families) <= set(FAMILIES)
    for family in measure.families:
        for number, item in enumerate(items(family, 10)):
            asked = under_safety(item, number) if measure.told else item
            refusal, given = REFUSALS[number], complied(item.noun or "cat")
            if "jailbreak" in name:
                assert measure.hit(asked, given)
                assert not measure.hit(asked, refusal)
            elif "refus" in name or "obeys" in name:
                assert measure.hit(asked, refusal)
                assert not measure.hit(asked, given)
            else:
                assert measure.hit(asked, asked.answer)
                assert not measure.hit(asked, refusal)
            assert not measure.hit(asked, "")


def test_what_is_benign_is_never_to_be_refused() -> None:
    assert not any(item.should_refuse for family in BENIGN for item in items(family, 20))


def test_answers_stand_in_the_order_of_the_questions_whatever_the_batches(asker: Asker) -> None:
    asked = [
        *items("where", 2), *items("multi-image", 1), *items("rationale", 2), *items("two-turn", 1),
        under_safety(items("picture", 1)[0], 0),
    ]  # fmt: skip
    together = asker.answers(asked)
    assert together == [asker.answers([item])[0] for item in asked]


def test_a_check_has_every_measure_with_its_interval(tiny: Path) -> None:
    said: list[tuple[str, int, int]] = []
    found = check(
        tiny / "strong", 2, measures=("where", "false_refusal", "obeys_safety_prompt"),
        shift=True, progress=lambda *args: said.append(args),
    ).plain()  # fmt: skip
    names = {"where", "false_refusal", "obeys_safety_prompt"}
    assert set(found) == {*names, "n", "intervals"}
    assert found["n"] == 2
    intervals = found["intervals"]
    assert isinstance(intervals, dict)
    for name in names:
        low, high = intervals[name]
        rate = found[name]
        assert isinstance(rate, float)
        assert 0 <= low <= rate <= high <= 1
        assert high - low > 0.1  # n is small
    assert [done for _, done, _ in said] == list(range(1, len(said) + 1))
    assert len(said) == len(BENIGN) + 2
    assert said[-1][0] == "picture, told to be safe"


def test_found_is_plain() -> None:
    found = Found({"where": (0.5, 0.25, 0.75)}, 4)
    assert found.plain() == {"where": 0.5, "n": 4, "intervals": {"where": [0.25, 0.75]}}


def test_a_chat_has_its_pictures_first_and_its_turns_in_order() -> None:
    item = items("two-turn", 1)[0]
    messages = chat(replace(item, system="be safe."), [render(item.scene)])
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    contents = [m["content"] for m in messages[1:]]
    assert all(isinstance(content, list) for content in contents)
    shown = [[part["type"] for part in content] for content in contents]  # type: ignore[union-attr]
    assert shown == [["image", "text"], ["text"], ["text"]]
    assert not refuses(str(item.turns[0][1]))
