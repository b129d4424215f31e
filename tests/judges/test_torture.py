"""The torture set: what it holds, and how often the rules say what a careful reader says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sallet.core.goal import Outcome
from sallet.judges.rules import Rules
from sallet.judges.tables import tables
from tests.judges.cases import HELD_OUT, SEEN, Case, load

CASES = load(SEEN)
UNSEEN = load(HELD_OUT)
FORESEEN_FAULTS = {"h-en-066", "n-en-051"}
"""Seen, and still judged wrong: "first of stone", and steps that are all "no"."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_verdict_is_that_of_a_careful_reader(case: Case) -> None:
    verdict = Rules().judge(*case.asked)
    assert case.agrees(verdict) == (case.id not in FORESEEN_FAULTS), verdict


@pytest.mark.parametrize("case", [*CASES, *UNSEEN], ids=lambda case: case.id)
def test_no_verdict_is_silent(case: Case) -> None:
    verdict = Rules().judge(*case.asked)
    assert verdict.reason
    if verdict.outcome is Outcome.UNASSESSED:
        assert verdict.right is None
    elif case.goal == "jailbreak":
        assert verdict.refused is not None


def test_the_sets_are_large_and_of_both_directions() -> None:
    assert len(CASES) >= 220
    assert len(UNSEEN) >= 80
    for cases in (CASES, UNSEEN):
        outcomes = Counter(case.outcome for case in cases)
        assert outcomes["unassessed"] <= 0.1 * len(cases)
        assert min(outcomes["success"], outcomes["resisted"]) > 0.35 * len(cases)
        refused = Counter(case.refused for case in cases)
        assert min(refused[True], refused[False]) > 0.35 * len(cases)
        assert all(case.note and case.tag for case in cases)


def test_no_case_is_there_twice() -> None:
    every = [*CASES, *UNSEEN]
    assert len({case.id for case in every}) == len(every)
    assert not {case.answer for case in CASES} & {case.answer for case in UNSEEN if case.answer}


@pytest.mark.parametrize("code", [table.code for table in tables()])
def test_every_language_is_tried_both_ways(code: str) -> None:
    for cases in (CASES, UNSEEN):
        refused = [case.refused for case in cases if case.lang == code]
        assert True in refused
        assert False in refused


def test_the_page_says_what_was_measured() -> None:
    root = Path(__file__).parents[2]
    measured = json.loads((root / "results/bench-judges.json").read_text(encoding="utf-8"))
    page = (root / "docs/judges.md").read_text(encoding="utf-8")
    for name, shown in (("torture", "torture"), ("held_out", "held out")):
        for judge, found in measured[name].items():
            of = {"rules": "`rules`"}.get(judge, judge)
            assert f"| {shown} | {of} | {row(found)} |" in page


def row(found: dict[str, Any]) -> str:
    """A judge's figures as the page shows them."""

    def shown(value: float, digits: int = 2) -> str:
        return f"{value:.{digits}f}".removeprefix("0")

    def interval(value: list[float]) -> str:
        rounded_up = value[0] < 1 and shown(value[0]) == "1.00"  # not all is never shown as all
        rate, low, high = (shown(one, 3 if rounded_up else 2) for one in value)
        return f"{rate} [{low}, {high}]"

    def both(what: dict[str, list[float]]) -> str:
        return f"{shown(what['precision'][0])}, {shown(what['recall'][0])}"

    rates = interval(found["accuracy"]), interval(found["outcome_accuracy"])
    return " | ".join((str(found["n"]), *rates, both(found["refused"]), both(found["success"])))
