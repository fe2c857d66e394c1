"""p-values against scipy's tests, Holm by hand, power and over-dispersion against simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kdbench.stats import detectable_of
from kdbench.stats.overdispersion import overdispersion
from kdbench.stats.significance import holm, paired_p, welch_p

STREAM = np.random.default_rng(3)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 6), (10, 4)])
def test_t_tests_are_scipys(n: int, m: int) -> None:
    a, b = STREAM.normal(0.8, 0.02, n), STREAM.normal(0.77, 0.05, m)
    assert welch_p(list(a), list(b)) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-9)
    assert paired_p(list(a - b.mean())) == pytest.approx(stats.ttest_1samp(a, b.mean()).pvalue, rel=1e-9)


def test_t_tests_of_degenerate_input() -> None:
    assert paired_p([0.1]) != paired_p([0.1])
    assert math.isnan(welch_p([0.1, math.nan], [0.2, 0.3])) and math.isnan(welch_p([0.1], [0.2, 0.3]))
    assert paired_p([0.1, 0.1]) == 0.0 and paired_p([0.0, 0.0]) == 1.0
    assert welch_p([0.1, 0.1], [0.1, 0.1]) == 1.0


def test_holm_by_its_definition() -> None:
    p = [0.04, 0.001, math.nan, 0.03, 0.6, 0.02]
    found = holm(p)
    assert found[1] == pytest.approx(0.005) and found[5] == pytest.approx(0.08)
    assert found[3] == pytest.approx(0.09) and found[0] == pytest.approx(0.09)  # never below one that is smaller
    assert found[4] == 0.6 and math.isnan(found[2])
    assert holm([]) == [] and holm([0.5, 0.9]) == [1.0, 1.0]


def test_holm_holds_the_chance_of_any_false_alarm() -> None:
    p = np.random.default_rng(5).random((3000, 12))
    alarms = np.mean([min(holm(list(row))) < 0.05 for row in p])
    assert abs(alarms - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 3000)
    assert np.mean(p.min(axis=1) < 0.05) > 0.4  # what it guards against: .461 is documented


def test_the_difference_detectable_between_two_arms_is_found_in_four_of_five_simulations() -> None:
    size = detectable_of([((1 / 4 + 1 / 7, 9),)])
    a, b = np.random.default_rng(2).normal(size, 1.0, (4000, 4)), np.random.default_rng(4).normal(0.0, 1.0, (4000, 7))
    assert abs((stats.ttest_ind(a, b, axis=1).pvalue < 0.05).mean() - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 4000)


def test_overdispersion_is_one_for_a_finite_test_set_and_more_where_runs_differ() -> None:
    stream = np.random.default_rng(9)
    p = stream.beta(0.46, 0.22, 1500)
    plain = [stream.random((8, 1500)) < p for _ in range(12)]
    assert overdispersion(plain) == pytest.approx(1.0, abs=0.35)
    shifts = stream.normal(0, 0.03, (12, 8))
    runs = [stream.random((8, 1500)) < np.clip(p + shift[:, None], 0, 1) for shift in shifts]
    assert overdispersion(runs) > 3
    by_hand = plain[0].mean(axis=1).var(ddof=1) / (8 / 7 * np.mean(plain[0].mean(axis=0) * (1 - plain[0].mean(axis=0))) / 1500)
    assert overdispersion(plain[:1]) == pytest.approx(by_hand)
    assert math.isnan(overdispersion([])) and math.isnan(overdispersion([np.ones((3, 5))]))
