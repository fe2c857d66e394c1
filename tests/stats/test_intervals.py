"""Intervals and power against scipy's own tests, and by how often they cover in a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kdbench.stats import detectable, mean, paired, sd, welch


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_paired_is_the_interval_of_scipys_paired_test(n: int) -> None:
    stream = np.random.default_rng(n)
    a, b = stream.normal(0.8, 0.02, n), stream.normal(0.75, 0.03, n)
    found = paired(list(a - b))
    wanted = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert found.estimate == pytest.approx((a - b).mean())
    assert found.n == n


@pytest.mark.parametrize("sizes", [(2, 2), (3, 7), (12, 4)])
def test_welch_is_the_interval_of_scipys_welch_test(sizes: tuple[int, int]) -> None:
    stream = np.random.default_rng(sizes)
    a, b = stream.normal(0.8, 0.02, sizes[0]), stream.normal(0.75, 0.06, sizes[1])
    found = welch(list(a), list(b))
    wanted = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_paired_interval_covers_as_often_as_it_says(n: int) -> None:
    stream, trials = np.random.default_rng(7), 2000
    draws = stream.normal(0.3, 1.0, (trials, n))
    covered = sum(i.low <= 0.3 <= i.high for i in map(paired, draws.tolist()) if i is not None)
    assert abs(covered / trials - 0.95) < 4 * math.sqrt(0.95 * 0.05 / trials)


def test_too_few_seeds_and_undefined_values_give_no_interval() -> None:
    assert paired([]) is None
    assert paired([0.5]) is None
    assert paired([0.5, math.nan]) is None
    assert paired([0.5, math.inf]) is None
    assert welch([0.5], [0.1, 0.2]) is None
    assert welch([0.5, math.inf], [0.1, 0.2]) is None
    assert math.isnan(mean([])) and math.isnan(sd([0.5]))


def test_equal_differences_give_an_interval_of_no_width() -> None:
    found = paired([0.25, 0.25, 0.25])
    assert found is not None and (found.low, found.high) == (0.25, 0.25)
    apart = welch([0.5, 0.5], [0.25, 0.25])
    assert apart is not None and (apart.low, apart.high) == (0.25, 0.25)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
def test_the_detectable_difference_has_the_power_it_claims(n: int) -> None:
    size = detectable(0.4, n)
    critical = stats.t.ppf(0.975, n - 1)
    assert stats.nct.sf(critical, n - 1, size * math.sqrt(n) / 0.4) == pytest.approx(0.8, abs=1e-6)


def test_the_detectable_difference_is_found_in_four_of_five_simulations() -> None:
    n, size, trials = 5, detectable(1.0, 5), 4000
    draws = np.random.default_rng(11).normal(size, 1.0, (trials, n))
    found = (stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05).mean()
    assert abs(found - 0.8) < 4 * math.sqrt(0.8 * 0.2 / trials)


def test_the_detectable_difference_of_degenerate_input() -> None:
    assert math.isnan(detectable(0.4, 1)) and math.isnan(detectable(math.nan, 5))
    assert detectable(0.0, 5) == 0.0
