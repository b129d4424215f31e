"""Paired differences: tests as statsmodels and scipy have them, intervals as published."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from sallet.core.paired import Difference, difference, holm, mcnemar, sign_flips, tango

Z = 1.959963984540054


def of_counts(gained: int, lost: int, n: int, both: int = 0) -> Difference:
    """Every pair for itself."""
    neither = n - gained - lost - both
    first = [False] * gained + [True] * (lost + both) + [False] * neither
    second = [True] * gained + [False] * lost + [True] * both + [False] * neither
    found = difference(first, second, [str(i) for i in range(n)])
    assert found is not None
    return found


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (7, 1), (86, 150), (12, 2), (40, 41)])
def test_mcnemar_is_statsmodels(gained: int, lost: int):
    table = [[10, lost], [gained, 10]]
    assert mcnemar(gained, lost) == pytest.approx(
        reference_mcnemar(table, exact=True).pvalue, abs=1e-12
    )


def test_approval_of_a_prime_minister():
    """Agresti, Categorical Data Analysis, table 10.1: 794 approve twice, 150 then not, 86 then do,
    570 never; the difference is -.04, its interval (Wald's, n is large) -.059 to -.021."""
    found = of_counts(gained=86, lost=150, n=1600, both=794)
    assert (found.first, found.second) == (0.59, 0.55)
    assert found.difference == pytest.approx((-0.04, -0.059, -0.021), abs=6e-4)
    assert found.p == pytest.approx(
        reference_mcnemar([[794, 150], [86, 570]], exact=True).pvalue, abs=1e-12
    )
    assert (found.test, found.interval, found.n) == ("mcnemar", "tango", 1600)


def test_airways_before_and_after_a_transplant():
    """Fagerland, Lydersen & Laake 2014 (Statistics in Medicine 33:2850), from Bentur et al. 2009:
    of 21 children 1 before alone, 7 after alone; exact p .0703, Tango's interval .026 to .517."""
    found = of_counts(gained=7, lost=1, n=21, both=1)
    assert found.p == pytest.approx(0.0703, abs=5e-5)
    assert found.difference == pytest.approx((6 / 21, 0.026, 0.517), abs=5e-4)


@pytest.mark.parametrize(
    ("gained", "lost", "n"), [(12, 2, 50), (0, 0, 44), (9, 0, 14), (1, 7, 21), (86, 150, 1600)]
)
def test_tangos_interval_is_where_the_score_is_196(gained: int, lost: int, n: int):
    """Worked out anew: the nuisance share by maximising the likelihood, the ends by a root."""

    def score(middle: float) -> float:
        def unlikely(q: float) -> float:
            shares = np.array([q + middle, q, 1 - 2 * q - middle])
            counts = np.array([gained, lost, n - gained - lost])
            return -float((counts * np.log(np.maximum(shares, 1e-300))).sum())

        ends = (max(0.0, -middle), (1 - middle) / 2)
        q = minimize_scalar(unlikely, bounds=ends, method="bounded", options={"xatol": 1e-13}).x
        variance = n * max(2 * q + middle * (1 - middle), 1e-300)
        return (gained - lost - n * middle) / variance**0.5

    seen = (gained - lost) / n
    low = brentq(lambda d: score(d) - Z, -1 + 1e-9, seen - 1e-9)
    high = brentq(lambda d: score(d) + Z, seen + 1e-9, 1 - 1e-9)
    found = tango(np.array([gained / n]), np.array([lost / n]), np.array([float(n)]), Z, Z)
    assert (found[0][0], found[1][0]) == pytest.approx((low, high), abs=1e-6)


def test_flips_of_single_pairs_are_mcnemar():
    for gained, lost in itertools.product((0, 1, 4, 9), (0, 2, 9)):
        sums = np.array([1.0] * gained + [-1.0] * lost + [0.0] * 5)
        assert sign_flips(sums) == pytest.approx(mcnemar(gained, lost), abs=1e-12)


def test_flips_of_clusters_are_scipys_permutation_test():
    rng = np.random.default_rng(0)
    for _ in range(5):
        sums = rng.integers(-4, 5, size=9).astype(float)
        reference = permutation_test(
            (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        )
        # scipy doubles the smaller tail; the distribution is symmetric, so both tails are alike.
        assert sign_flips(sums) == pytest.approx(min(reference.pvalue, 1), abs=1e-12)


def test_no_difference_is_found_by_chance_in_at_most_5_of_100():
    rng = np.random.default_rng(1)
    own = rng.normal(0, 2, (1000, 15)).round()  # clusters differ, to both sides alike
    assert np.mean([sign_flips(one) < 0.05 for one in own]) < 0.06


def test_holm_is_statsmodels():
    rng = np.random.default_rng(2)
    for n in (1, 2, 7, 30):
        ps = list(rng.random(n) ** 3)
        assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1], abs=1e-12)
    assert holm([]) == []


def test_a_comparison_that_could_show_nothing_does_not_count():
    ps, hopeless = [0.002, 0.03, 1.0, 1.0, 1.0], [1e-9, 1e-9, 1.0, 1.0, 0.5]
    assert holm(ps)[:2] == pytest.approx([0.01, 0.12])
    assert holm(ps, hopeless)[:2] == pytest.approx([0.004, 0.03])


def test_corrected_so_hardly_any_family_has_a_false_finding():
    rng = np.random.default_rng(3)
    false = 0
    for _ in range(300):
        differing = rng.integers(0, 30, size=8)
        gained = rng.binomial(differing, 0.5)
        ps = [mcnemar(int(g), int(d - g)) for g, d in zip(gained, differing, strict=True)]
        least = [min(2.0 ** (1 - int(d)), 1.0) for d in differing]
        false += min(holm(ps, least)) < 0.05
    assert false / 300 <= 0.05


def test_changing_arms_turns_everything_round():
    rng = np.random.default_rng(4)
    first = [bool(one) for one in rng.random(120) < 0.5]
    second = [bool(one) for one in rng.random(120) < 0.7]
    clusters = [str(i % 11) for i in range(120)]
    there, back = difference(first, second, clusters), difference(second, first, clusters)
    assert there is not None
    assert back is not None
    assert there.difference == pytest.approx(
        (-back.difference[0], -back.difference[2], -back.difference[1]), abs=1e-12
    )
    assert (there.p, there.gained, there.lost) == (back.p, back.lost, back.gained)
    assert (there.test, there.interval) == ("cluster sign flips", "clustered bootstrap")
    assert there.difference[1] <= there.difference[0] <= there.difference[2]


def test_arms_that_agree_everywhere_show_no_more_than_their_number():
    few, many = of_counts(0, 0, 20), of_counts(0, 0, 2000)
    assert few.p == many.p == few.least_p == 1
    assert few.difference == pytest.approx((0, -few.most, few.most))
    assert few.most > 0.1 > 0.01 > many.most


@pytest.mark.parametrize("clusters", [5, 20])
def test_arms_that_differ_everywhere_are_as_sure_as_their_clusters(clusters: int):
    names = [str(i % clusters) for i in range(100)]
    found = difference([False] * 100, [True] * 100, names)
    assert found is not None
    assert found.p == found.least_p == 2 * 0.5**clusters
    assert found.difference[0] == found.difference[2] == 1
    assert found.difference[1] < 0.95


def test_clusters_make_a_difference_less_sure():
    first, second = [False] * 60, [i < 30 for i in range(60)]
    alone = difference(first, second, [str(i) for i in range(60)])
    together = difference(first, second, [str(i // 10) for i in range(60)])
    assert alone is not None
    assert together is not None
    assert together.p == 0.25
    assert alone.p < 1e-8
    assert together.most > alone.most
    assert difference([], [], []) is None
