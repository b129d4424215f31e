"""Which cells stand against each other, what is a pair, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sallet.core.errors import StoreError, UnknownName, UsageError
from sallet.harness.compare import Compared, Comparison, compare_runs, compare_within
from sallet.harness.pairing import INELIGIBLE, ONE_ONLY, OTHERWISE, UNASSESSED
from sallet.runs.manifest import Manifest
from sallet.runs.record import CellKey, Row
from sallet.runs.store import Store
from tests.harness.handmade import KEY, row, rows

TARGETED = replace(KEY, goal="targeted")
CLEAN = replace(KEY, attack="none", access="none", goal=None, norm=None, eps=None)
MADE = Manifest({"name": "made", "seed": 0}, "d", "0.1.0", "abc", "m")


def store(made: list[Row], manifest: Manifest = MADE) -> Store:
    return Store(Path("nowhere"), manifest, made)


def runs(first: list[Row], second: list[Row], by: str | None = None) -> Compared:
    return compare_runs({"a": store(first), "b": store(second)}, by)


def only(compared: Compared) -> Comparison:
    (one,) = compared.comparisons
    return one


def test_the_second_run_is_held_against_the_first():
    one = only(runs(rows("rrrrrrrrrrss", TARGETED), rows("ssssssssssss", TARGETED)))
    assert one.found is not None
    assert (one.measure, one.first, one.second) == ("asr", "a", "b")
    assert (one.found.first, one.found.second) == pytest.approx((2 / 12, 1))
    assert one.found.p == one.corrected == 2 * 0.5**10
    assert one.verdict == "higher"
    back = only(runs(rows("ssssssssssss", TARGETED), rows("rrrrrrrrrrss", TARGETED)))
    assert back.verdict == "lower"


def test_a_difference_that_may_be_chance_says_what_it_could_miss():
    one = only(runs(rows("rrrrrrrrrr", TARGETED), rows("srrrrrrrrr", TARGETED)))
    assert one.found is not None
    assert one.found.p == 1
    most = round(100 * one.found.difference[2])
    assert one.verdict == f"no difference shown (n=10, could miss up to {most} points)"
    assert most > 30


def test_all_comparisons_together_are_corrected():
    first = [*rows("r" * 8, TARGETED), *rows("r" * 8, replace(TARGETED, defense="jpeg"))]
    second = [
        *rows("s" * 6 + "rr", TARGETED),
        *rows("s" * 7 + "r", replace(TARGETED, defense="jpeg")),
    ]
    one, other = runs(first, second).comparisons
    assert one.found is not None
    assert other.found is not None
    assert (one.found.p, other.found.p) == (2 * 0.5**6, 2 * 0.5**7)
    assert other.corrected == pytest.approx(other.found.p)  # the other could never be so small
    assert one.corrected == pytest.approx(one.found.p)


def test_what_is_no_pair_is_counted_by_its_reason():
    first = [*rows("ssss"), row(4), row(5), row(6), row(9)]
    second = [
        *rows("rrrr"),
        row(4, outcome="unassessed", eligible=None),
        row(5, eligible=False),
        row(6, clean_images=("another",)),
        row(8),
    ]
    compared = runs(first, second)
    one = only(compared)
    assert one.found is not None
    assert one.found.n == 4
    assert dict(one.left_out) == {ONE_ONLY: 2, UNASSESSED: 1, INELIGIBLE: 1, OTHERWISE: 1}
    assert any("other samples" in warning for warning in compared.warnings)


def test_a_cell_without_a_pair_has_no_verdict():
    jpeg = replace(TARGETED, defense="jpeg")
    compared = runs(
        [*rows("ss", TARGETED), *rows("r", jpeg)], [*rows("uu", TARGETED), *rows("r", jpeg)]
    )
    one, other = compared.comparisons
    assert (one.found, one.corrected, one.verdict) == (None, None, "not comparable: no pair")
    assert other.found is not None


def test_nothing_but_other_samples_is_an_error_that_says_so():
    with pytest.raises(StoreError, match=r"no two rows are a pair: 2 of another content"):
        runs(rows("rr", TARGETED), rows("ss", TARGETED, question="another one?"))


def test_rows_pair_by_sample_and_not_by_place():
    made = [row(0, TARGETED, outcome="success"), row(1, TARGETED), row(2, TARGETED)]
    one = only(runs(made, list(reversed(made))))
    assert one.found is not None
    assert (one.found.gained, one.found.lost) == (0, 0)


def test_benign_cells_are_compared_by_utility_and_over_refusal():
    good, bad = rows("rrrr", CLEAN), rows("rrrr", CLEAN, right=False, refused_by="defense:screen")
    found = {one.measure: one for one in runs(good, bad).comparisons}
    assert set(found) == {"utility", "over_refusal"}
    assert all(one.found is not None for one in found.values())
    assert [one.found.difference[0] for one in found.values() if one.found] == [1, -1]


def test_clusters_make_it_less_sure():
    hits = only(runs(rows("r" * 20, TARGETED), rows("s" * 20, TARGETED)))
    nouns = [
        [replace(one, cluster=f"noun {i % 3}") for i, one in enumerate(made)]
        for made in (rows("r" * 20, TARGETED), rows("s" * 20, TARGETED))
    ]
    one = only(runs(*nouns))
    assert one.found is not None
    assert (one.found.test, one.found.p) == ("cluster sign flips", 0.25)
    assert hits.verdict == "higher"
    assert one.verdict.startswith("no difference shown")


def test_another_judge_is_refused_unless_judges_are_compared():
    strict = replace(TARGETED, judge="strict")
    with pytest.raises(StoreError, match=r"'rules'.*'strict'.*--by judge"):
        runs(rows("rs", TARGETED), rows("ss", strict))
    assert only(runs(rows("rs", TARGETED), rows("ss", strict), "judge")).found is not None


@pytest.mark.parametrize(
    ("change", "manifest", "said"),
    [
        ({"model_revision": "s"}, MADE, "runs differ in the weights of lamp: r in a, s in b"),
        (
            {"defense_config": "e"},
            MADE,
            "differ in the configuration of none: d in a, e in b",
        ),
        ({"defense_seeds": (2,)}, MADE, "2 pairs had other defence seeds"),
        ({}, replace(MADE, sallet="0.2.0"), "runs differ in sallet: 0.1.0 in a, 0.2.0 in b"),
        ({}, replace(MADE, commit="def"), "runs differ in the commit: abc in a, def in b"),
        ({}, replace(MADE, recipe={"seed": 7}), "runs differ in seed: 0 in a, 7 in b"),
    ],
)
def test_a_warning_names_what_differs(change: dict[str, object], manifest: Manifest, said: str):
    first = store(rows("rs", TARGETED))
    second = store(rows("ss", TARGETED, **change), manifest)
    (warning,) = compare_runs({"a": first, "b": second}).warnings
    assert said in warning


def test_runs_of_the_same_things_have_no_warning():
    assert runs(rows("rs", TARGETED), rows("ss", TARGETED)).warnings == ()


def test_more_samples_in_one_run_are_told():
    compared = runs(rows("rs", TARGETED), rows("sss", TARGETED))
    assert compared.warnings == ("the runs differ in the samples of toy: 2 in a, 3 in b",)
    assert dict(only(compared).left_out) == {ONE_ONLY: 1}


def test_other_models_are_named_and_may_be_compared():
    weak = replace(TARGETED, model="torch")
    with pytest.raises(StoreError, match=r"model: lamp against torch.*--by model"):
        runs(rows("rr", TARGETED), rows("ss", weak))
    assert only(runs(rows("rr", TARGETED), rows("ss", weak), "model")).found is not None


def test_cells_of_one_run_alone_are_counted():
    more = rows("rr", replace(TARGETED, eps=4.0))
    compared = runs([*rows("rr", TARGETED), *more], rows("ss", TARGETED))
    assert (len(compared.comparisons), compared.alone) == (1, 1)


def test_three_runs_are_two_comparisons():
    made = {name: store(rows("rs", TARGETED)) for name in "abc"}
    compared = compare_runs(made)
    assert [(one.first, one.second) for one in compared.comparisons] == [("a", "b"), ("a", "c")]


def arms(*keys: CellKey) -> list[Row]:
    return [one for key in keys for one in rows("rs", key)]


def within(made: list[Row], by: str, baseline: str | None = None) -> list[tuple[str, str]]:
    return [(one.first, one.second) for one in compare_within(made, by, baseline).comparisons]


def test_each_defence_is_held_against_none_oblivious_and_adaptive():
    jpeg = replace(TARGETED, defense="jpeg", params={"defense.quality": 75})
    made = arms(TARGETED, jpeg, replace(jpeg, access="adaptive"), replace(jpeg, eps=4.0))
    compared = compare_within(made, "defense")
    assert [(o.first, o.second, o.key.access) for o in compared.comparisons] == [
        ("none", "jpeg", "oblivious"),
        ("none", "jpeg", "adaptive"),
    ]
    assert compared.alone == 1  # eps 4 has no undefended cell


def test_settings_tell_two_of_one_name_apart():
    one, other = (
        replace(TARGETED, defense="jpeg", params={"defense.quality": q, "steps": 5})
        for q in (50, 75)
    )
    bare = replace(TARGETED, params={"steps": 5})
    assert within(arms(bare, one, other), "defense") == [
        ("none", "jpeg (quality 50)"),
        ("none", "jpeg (quality 75)"),
    ]


def test_adaptive_is_held_against_oblivious_of_the_same_attack():
    other = replace(TARGETED, defense="jpeg", access="adaptive")
    made = arms(replace(other, access="oblivious"), other, replace(other, params={"steps": 9}))
    assert within(made, "access") == [("oblivious", "adaptive")]


def test_attacks_are_held_against_noise_of_their_size():
    noise = replace(TARGETED, attack="uniform-noise", access="none")
    made = arms(noise, TARGETED, replace(TARGETED, eps=4.0))
    assert within(made, "attack") == [("uniform-noise", "pgd oblivious")]


def test_attacks_are_held_against_the_harm_as_it_is_at_every_size():
    asis = replace(CLEAN, goal="jailbreak")
    pgd = replace(KEY, goal="jailbreak")
    made = arms(asis, pgd, replace(pgd, eps=4.0))
    assert within(made, "attack", "none") == [("none", "pgd oblivious")] * 2


def test_sizes_are_held_against_the_first():
    assert within(arms(replace(TARGETED, eps=4.0), TARGETED), "eps") == [("4", "8")]


def test_an_unknown_baseline_is_a_usage_error():
    with pytest.raises(UnknownName, match="jpeg"):
        within(arms(TARGETED, replace(TARGETED, defense="jpeg")), "defense", "jpg")


def test_nothing_to_compare_is_a_usage_error():
    with pytest.raises(UsageError, match="this run has defense: none"):
        within(arms(TARGETED), "defense")


def test_an_ambiguous_baseline_is_a_usage_error():
    made = arms(
        replace(TARGETED, params={"steps": 5}),
        replace(TARGETED, params={"steps": 9}),
        replace(TARGETED, attack="apgd"),
    )
    with pytest.raises(UsageError, match=r"2 cells.*steps 5"):
        within(made, "attack", "pgd")
