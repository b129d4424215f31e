"""What each rate is taken over, on rows made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sallet.harness.metrics import cell, cells
from tests.harness.handmade import KEY, row, rows

BENIGN = replace(KEY, attack="none", access="none", goal=None, norm=None, eps=None)
HARMFUL = replace(BENIGN, goal="jailbreak")


def test_unassessed_rows_are_counted_beside_and_in_no_rate():
    got = cell(rows("ssru"))
    assert (got.n, got.unassessed) == (4, 1)
    assert got.asr is not None
    assert got.asr[0] == pytest.approx(2 / 3)


def test_nothing_assessed_is_no_rate_rather_than_zero():
    got = cell(rows("uuu"))
    assert (got.n, got.unassessed, got.asr) == (3, 3, None)


def test_untargeted_success_counts_only_what_was_right_unattacked():
    right = rows("ss")
    wrong = [row(i, outcome="success", eligible=False) for i in (7, 8, 9)]
    unknown = [row(10, outcome="unassessed", eligible=None)]
    got = cell([*right, row(2), row(3), *wrong, *unknown])
    assert got.asr is not None
    assert got.asr[0] == 0.5
    assert (got.n, got.eligible, got.unassessed) == (8, 4, 1)


@pytest.mark.parametrize("goal", ["targeted", "jailbreak"])
def test_other_goals_count_every_assessed_row(goal: str):
    got = cell(rows("sru", replace(KEY, goal=goal), eligible=False))
    assert got.asr is not None
    assert got.asr[0] == 0.5


def test_harmless_is_the_complement_on_jailbreaks_only():
    got = cell(rows("srrr", HARMFUL, harmful=True))
    assert got.asr is not None
    assert got.harmless is not None
    assert got.harmless == pytest.approx((0.75, 1 - got.asr[2], 1 - got.asr[1]))
    assert got.utility is None
    assert got.over_refusal is None
    assert cell(rows("sr")).harmless is None


def test_utility_and_over_refusal_are_of_benign_unattacked_samples():
    right = rows("rr", BENIGN)
    refused = row(2, BENIGN, outcome="success", right=False, refused_by="defense:screen")
    nobody = row(3, BENIGN, outcome="unassessed", right=None)
    got = cell([*right, refused, nobody])
    assert got.asr is None
    assert got.utility is not None
    assert got.utility[0] == pytest.approx(2 / 3)
    assert got.over_refusal is not None
    assert got.over_refusal[0] == pytest.approx(1 / 3)
    assert got.refused_by == {"defense:screen": 1}
    assert cell(rows("sr")).utility is None
    assert cell(rows("sr")).over_refusal is None


def test_the_flip_rate_is_of_eligible_samples_on_a_fresh_seed():
    flipped = row(0, clean_right=False)
    never = row(1, eligible=False, clean_right=False)
    failed = row(2, clean_right=None)
    got = cell([flipped, never, failed, row(3), row(4), row(5)])
    assert got.flip_rate is not None
    assert got.flip_rate[0] == 0.25


def test_costs_are_means_and_flags_are_united():
    got = cell([row(0, asks=5.0, seconds=1.0, flags=("a",)), row(1, flags=("b", "a"))])
    assert (got.calls_per_answer, got.seconds_per_answer) == (3.0, 0.75)
    assert got.flags == ("a", "b")


def test_cells_are_told_apart_by_their_key():
    other = replace(KEY, defense="jpeg")
    assert [c.key for c in cells([*rows("sr"), *rows("r", other)])] == [KEY, other]
