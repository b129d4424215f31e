"""Intervals: Wilson's as scipy has it; wider where rows cluster; never certain of little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from sallet.core.statistics import clustered, complement, interval_for, rate, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (199, 200), (1, 1)])
def test_wilson_is_scipys(hits: int, n: int):
    reference = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((hits / n, reference.low, reference.high))


def test_rows_of_one_noun_make_the_interval_wider():
    hits = [i // 10 % 2 == 0 for i in range(100)]  # ten clusters, each of one mind
    clusters = [str(i // 10) for i in range(100)]
    _, low, high = clustered(hits, clusters)
    _, narrow_low, narrow_high = wilson(0.5, 100)
    assert high - low > 2 * (narrow_high - narrow_low)


def test_clusters_of_one_row_give_nearly_wilsons():
    hits = [bool(one) for one in np.random.default_rng(0).integers(2, size=400)]
    share = sum(hits) / 400
    assert clustered(hits, [str(i) for i in range(400)]) == pytest.approx(
        wilson(share, 400), abs=0.01
    )


@pytest.mark.parametrize("hits", [[True] * 40, [False] * 40, [True, False] * 20])
def test_clusters_that_agree_do_not_make_it_certain(hits: list[bool]):
    share, low, high = clustered(hits, [str(i // 10) for i in range(40)])
    assert low < share or share == 0
    assert high - low > 0.4


def test_the_method_follows_the_clusters():
    assert interval_for(["a", "b"]) == "wilson"
    assert interval_for(["a", "a"]) == "clustered bootstrap"
    assert rate([], []) is None


def test_the_bootstrap_is_the_same_every_time():
    hits, clusters = [i % 3 == 0 for i in range(60)], [str(i % 7) for i in range(60)]
    assert clustered(hits, clusters) == clustered(hits, clusters)


def test_complement_turns_the_interval_round():
    assert complement((0.2, 0.1, 0.4)) == pytest.approx((0.8, 0.6, 0.9))
    assert complement(None) is None
