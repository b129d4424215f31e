"""Rates and their intervals: Wilson's as scipy, statsmodels and Newcombe have it; honest where rows
cluster; never certain of little, and never jumping."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from sallet.core.statistics import clustered, complement, interval_for, of_sums, rate, wilson


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 10), (3, 10), (10, 10), (199, 200), (1, 1), (7, 20000)]
)
def test_wilson_is_scipys_and_statsmodels(hits: int, n: int):
    reference = binomtest(hits, n).proportion_ci(method="wilson")
    expected = (hits / n, reference.low, reference.high)
    assert wilson(hits / n, n) == pytest.approx(expected, abs=1e-9)
    other = proportion_confint(hits, n, method="wilson")
    assert wilson(hits / n, n)[1:] == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_on_newcombes_cases(hits: int, n: int, low: float, high: float):
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    assert wilson(hits / n, n)[1:] == pytest.approx((low, high), abs=6e-5)


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
    assert high - low > 0.3


def test_one_row_more_never_makes_it_jump():
    """From no hit to all, cluster after cluster; what all agree on is no exception (where it was
    the clusters' Wilson interval, the first hit moved the upper end from 16 % to 2 %)."""
    clusters = [str(i % 20) for i in range(200)]
    ends = [clustered([i < k for i in range(200)], clusters)[1:] for k in range(201)]
    steps = np.diff(np.array(ends), axis=0)
    assert np.abs(steps).max() < 0.03
    assert steps[10:-10].min() > -0.005
    assert ends[0][0] == 0
    assert ends[-1][1] == 1


def test_the_interval_turns_round_with_its_rows():
    rng = np.random.default_rng(3)
    for n in (30, 61, 200):
        hits = [bool(one) for one in rng.random(n) < 0.3]
        clusters = [str(one) for one in rng.integers(12, size=n)]
        share, low, high = clustered(hits, clusters)
        assert low <= share <= high
        assert clustered([not hit for hit in hits], clusters) == pytest.approx(
            (1 - share, 1 - high, 1 - low), abs=1e-12
        )


def test_the_order_of_rows_and_the_names_of_clusters_do_not_matter():
    rng = np.random.default_rng(4)
    hits, clusters = list(rng.random(90) < 0.2), list(rng.integers(9, size=90))
    order = rng.permutation(90)
    one = clustered([bool(hit) for hit in hits], [str(c) for c in clusters])
    other = clustered([bool(hits[i]) for i in order], [f"noun {8 - clusters[i]}" for i in order])
    assert one == pytest.approx(other, abs=1e-12)


def test_one_cluster_is_one_observation():
    share, low, high = clustered([True] * 30 + [False] * 10, ["the only noun"] * 40)
    assert share == 0.75
    assert high - low > 0.7


def test_the_method_follows_the_clusters():
    assert interval_for(["a", "b"]) == "wilson"
    assert interval_for(["a", "a"]) == "clustered bootstrap"
    assert rate([], []) is None
    assert rate([True, False], ["a", "b"]) == wilson(0.5, 2)
    assert rate([True, False], ["a", "a"]) == clustered([True, False], ["a", "a"])


def test_the_bootstrap_is_the_same_every_time():
    hits, clusters = [i % 3 == 0 for i in range(60)], [str(i % 7) for i in range(60)]
    assert clustered(hits, clusters) == clustered(hits, clusters)


def test_complement_turns_the_interval_round():
    assert complement((0.2, 0.1, 0.4)) == pytest.approx((0.8, 0.6, 0.9))
    assert complement(None) is None


def test_counted_clusters_are_the_rows_that_they_count():
    hits, clusters = [True, False, True, True, False, True], ["a", "a", "b", "b", "c", "c"]
    sizes, won = np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 1.0])
    assert of_sums(sizes, won) == clustered(hits, clusters)
    share, low, high = of_sums(np.full(3, 5 / 3), 5 / 3 * np.array([1.0, 1 / 3, 0.0]))
    assert low < share < high
    assert share == pytest.approx(4 / 9)
