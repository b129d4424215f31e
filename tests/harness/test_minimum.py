"""The minimum over attacks, and who refused, on rows made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sallet.harness.metrics import cell
from sallet.harness.minimum import minima
from sallet.harness.provenance import provenance
from sallet.harness.summary import flat, flat_minimum
from sallet.runs.record import Row
from tests.harness.handmade import KEY, row, rows

TARGETED = replace(KEY, goal="targeted")
ADAPTIVE = replace(TARGETED, access="adaptive")


def test_a_sample_is_broken_if_any_attack_broke_it():
    (one,) = minima([*rows("ssrrrr", TARGETED), *rows("rrssrr", ADAPTIVE)])
    assert one.n == 6
    assert one.broken[0] == pytest.approx(4 / 6)
    assert one.robust == pytest.approx((2 / 6, 1 - one.broken[2], 1 - one.broken[1]))
    assert [tried.common[0] for tried in one.attacks] == pytest.approx([2 / 6, 2 / 6])


def test_only_samples_that_every_attack_assessed_count():
    (one,) = minima([*rows("ssrru", TARGETED), *rows("rusrs", ADAPTIVE), row(9, TARGETED)])
    assert (one.n, one.left_out) == (3, 3)  # 1 and 4 were assessed once, 9 attacked once
    assert one.broken[0] == pytest.approx(2 / 3)
    oblivious, adaptive = one.attacks
    assert (oblivious.common[0], adaptive.common[0]) == pytest.approx((1 / 3, 1 / 3))
    assert oblivious.own is not None
    assert (oblivious.own[0], oblivious.n) == (pytest.approx(2 / 5), 5)


def test_untargeted_only_what_was_right_unattacked():
    wrong = row(2, outcome="success", eligible=False)
    flips = [row(3, clean_right=False)]
    (one,) = minima([*rows("sr"), wrong, *flips])
    assert (one.n, one.broken[0]) == (3, pytest.approx(1 / 3))
    assert one.flip_rate is not None
    assert one.flip_rate[0] == pytest.approx(1 / 3)


def test_noise_is_a_control_and_harm_as_it_is_no_attack():
    noise = replace(TARGETED, attack="uniform-noise", access="none")
    (one,) = minima([*rows("srrr", TARGETED), *rows("rrrs", noise)])
    assert one.broken[0] == 0.25
    assert one.control is not None
    assert one.control[0] == 0.25
    assert minima(rows("ssrr", noise)) == []
    assert minima(rows("ssrr", replace(noise, attack="none", goal="jailbreak"))) == []


def test_words_in_a_picture_look_at_no_model_and_are_an_attack_all_the_same():
    drawn = replace(TARGETED, attack="mislabel", access="none")
    (one,) = minima([*rows("srrr", TARGETED), *rows("rrss", drawn)])
    assert one.broken[0] == pytest.approx(3 / 4)


@pytest.mark.parametrize("change", [{"defense": "jpeg"}, {"eps": 4.0}, {"goal": "jailbreak"}])
def test_other_defences_sizes_and_goals_are_minima_of_their_own(change: dict[str, object]):
    made = [*rows("ssr", TARGETED), *rows("rrr", replace(ADAPTIVE, **change))]  # pyright: ignore
    assert [one.broken[0] for one in minima(made)] == pytest.approx([2 / 3, 0])


def test_clusters_count_in_its_interval():
    alone, together = (
        minima(
            [replace(one, cluster=f"c{i % k}") for i, one in enumerate(rows("sr" * 20, TARGETED))]
        )
        for k in (40, 4)
    )
    assert together[0].broken[2] > alone[0].broken[2]


def test_in_the_summary_it_says_what_was_tried():
    told = flat_minimum(minima([*rows("sr", TARGETED), *rows("rs", ADAPTIVE)])[0])
    assert (told["n"], told["broken"][0], told["robust"][0]) == (2, 1, 0)
    assert [one["access"] for one in told["attacks"]] == ["oblivious", "adaptive"]


def refusing() -> list[Row]:
    who = ["model", "model", "defense:screen", "fallback", None, None]
    made = [row(i, TARGETED, refused_by=by) for i, by in enumerate(who)]
    return [*made, row(8, TARGETED, outcome="unassessed", answer=None)]


def test_who_refused_is_kept_apart_and_adds_up():
    (one,) = provenance(refusing())
    assert one.refused == {"model": 2, "defense:screen": 1, "fallback": 1}
    assert (one.answered, one.unassessed, one.n) == (2, 1, 7)
    assert one.answered + one.unassessed + sum(one.refused.values()) == one.n


def test_a_canned_string_is_never_the_models():
    rates = cell(refusing()).refusal_rates
    assert {who: rate[0] for who, rate in rates.items()} == pytest.approx(
        {"model": 2 / 6, "defense:screen": 1 / 6, "fallback": 1 / 6}
    )
    assert all(low < rate < high for rate, low, high in rates.values())
    assert flat(cell(refusing()))["refusal_rates"]["model"][0] == pytest.approx(2 / 6, abs=1e-6)
