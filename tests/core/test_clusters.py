"""Clusters: variances as statsmodels and plain leaving-out have them; coverage on made-up data."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import binomtest

from sallet.core.clusters import Array, Clusters, grouped
from sallet.core.paired import difference_bounds
from sallet.core.shares import score, share_bounds
from sallet.core.statistics import rate

UNEQUAL = np.array([3, 3, 4, 5, 6, 8, 10, 14, 20, 40], float)


def made(sizes: Array, rate: float, correlation: float, times: int, seed: int) -> Array:
    """Beta-binomial hits, `[times, clusters]`."""
    rng = np.random.default_rng(seed)
    scale = (1 - correlation) / correlation
    own = rng.beta(rate * scale, (1 - rate) * scale, (times, len(sizes)))
    return rng.binomial(sizes.astype(int), own).astype(float)


def test_rows_are_summed_by_cluster():
    sizes, hits, ones = grouped(["b", "a", "b"], np.array([1.0, 0, 1]), np.ones(3))
    assert (sizes.tolist(), hits.tolist(), ones.tolist()) == ([1, 2], [0, 2], [1, 2])


def test_the_variance_is_the_cluster_robust_one_of_statsmodels():
    """With equal clusters the jackknife is statsmodels' corrected cluster covariance."""
    rng = np.random.default_rng(0)
    rows, groups = (rng.random(120) < 0.3).astype(float), np.repeat(np.arange(12), 10)
    fitted = sm.OLS(rows, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    sizes, hits = grouped([str(one) for one in groups], rows)
    assert Clusters(sizes).variance(hits) == pytest.approx(fitted.bse[0] ** 2, abs=1e-12)


def test_the_variance_is_that_of_leaving_out_each_cluster_in_turn():
    hits = made(UNEQUAL, 0.3, 0.2, 1, seed=1)[0]
    without = np.array(
        [np.delete(hits, i).sum() / np.delete(UNEQUAL, i).sum() for i in range(len(hits))]
    )
    around = hits.sum() / UNEQUAL.sum()
    expected = (len(hits) - 1) / len(hits) * ((without - around) ** 2).sum()
    assert Clusters(UNEQUAL).variance(hits) == pytest.approx(expected, rel=1e-9)


def test_a_resample_is_what_its_clusters_would_be_by_themselves():
    clusters = Clusters(UNEQUAL, resamples=20)
    hits = made(UNEQUAL, 0.4, 0.2, 1, seed=2)
    for i in range(20):
        picked = np.repeat(np.arange(len(UNEQUAL)), clusters.drawn[:, i].astype(int))
        alone = Clusters(UNEQUAL[picked], resamples=1)
        assert clusters.shares(hits)[0, i] == pytest.approx(alone.share(hits[0, picked]))
        assert clusters.variances(hits)[0, i] == pytest.approx(alone.variance(hits[0, picked]))


def test_equal_clusters_are_as_many_as_they_are_and_unequal_ones_fewer():
    assert Clusters(np.full(12, 5.0)).effective == pytest.approx(12)
    assert Clusters(UNEQUAL).effective == pytest.approx(113**2 / (UNEQUAL**2).sum())


def test_the_fewer_clusters_tell_the_nearer_the_design_is_to_the_expected_one():
    clusters = Clusters(np.full(10, 11.0))
    assert clusters.expected == pytest.approx(1 + 10 * 0.4)
    seen, independent = np.ones(4), np.ones(4)
    found = clusters.design(seen, independent, np.array([0.0, 1, 10, 1e9]))
    assert found[0] == pytest.approx(clusters.expected)
    assert found[0] > found[1] > found[2] > found[3]
    assert found[3] == pytest.approx(1)
    huge = clusters.design(np.array([8.0]), np.array([1.0]), np.array([1e9]))
    assert huge == pytest.approx(8)


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (3, 40), (40, 40)])
def test_the_score_interval_of_whole_rows_is_wilsons(hits: int, n: int):
    reference = binomtest(hits, n).proportion_ci(method="wilson")
    z = 1.959963984540054
    low, high = score(np.array([hits / n]), np.array([float(n)]), z, z)
    assert (low[0], high[0]) == pytest.approx((reference.low, reference.high), abs=1e-12)


@pytest.mark.parametrize(
    ("sizes", "rate", "correlation"),
    [
        (np.full(20, 10.0), 0.5, 0.1),
        (np.full(20, 10.0), 0.1, 0.1),
        (np.full(40, 5.0), 0.3, 0.3),
        (np.full(12, 20.0), 0.3, 0.2),
        (np.resize(UNEQUAL, 40), 0.3, 0.1),
    ],
)
def test_the_bootstrap_holds_the_true_share_in_about_95_of_100(
    sizes: Array, rate: float, correlation: float
):
    clusters = Clusters(sizes, resamples=400)
    low, high = share_bounds(clusters, made(sizes, rate, correlation, 1000, seed=5))
    assert 0.925 <= np.mean((low <= rate) & (rate <= high)) <= 0.975  # 0.007 is chance


def test_rare_hits_in_few_clusters_are_where_the_plain_bootstrap_fails():
    sizes = np.full(15, 20.0)
    hits = made(sizes, 0.03, 0.3, 1000, seed=6)
    clusters = Clusters(sizes, resamples=400)
    plain = np.quantile(clusters.shares(hits), (0.025, 0.975), axis=-1)
    assert np.mean((plain[0] <= 0.03) & (plain[1] >= 0.03)) < 0.8
    low, high = share_bounds(clusters, hits)
    assert np.mean((low <= 0.03) & (high >= 0.03)) > 0.92


@pytest.mark.parametrize(("gain", "loss"), [(0.3, 0.1), (0.1, 0.1), (0.6, 0.02)])
def test_the_bootstrap_holds_the_true_difference_in_about_95_of_100(gain: float, loss: float):
    rng = np.random.default_rng(7)
    own = rng.dirichlet(np.array([gain, loss, 1 - gain - loss]) * 9, (1000, 25))  # correlation .1
    drawn = rng.multinomial(12, own).astype(float)
    clusters = Clusters(np.full(25, 12.0), resamples=400)
    low, high = difference_bounds(clusters, drawn[..., 0], drawn[..., 1])
    assert 0.925 <= np.mean((low <= gain - loss) & (gain - loss <= high)) <= 0.98


def test_a_small_cluster_beside_a_large_one_is_not_certain():
    """A resample may miss a cluster that is as large as all that it drew."""
    share, low, high = rate([True, False, True, True, False], list("aaabc"))
    assert low < share - 0.1 < share + 0.1 < high
