"""p-values against scipy's tests, permutations against all of them counted, Holm by hand, power against the documented table."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from kdbench.stats import detectable_between, seeds_needed
from kdbench.stats.effect import hedges_g, meaningful, superiority, superiority_interval
from kdbench.stats.noise import overdispersion
from kdbench.stats.tests import holm, paired_p, permutation_p, pooled_p, welch_p

STREAM = np.random.default_rng(3)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 6), (10, 4)])
def test_t_tests_are_scipys(n: int, m: int) -> None:
    a, b = STREAM.normal(0.8, 0.02, n), STREAM.normal(0.77, 0.05, m)
    assert welch_p(list(a), list(b)) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-9)
    assert pooled_p(list(a), list(b)) == pytest.approx(stats.ttest_ind(a, b).pvalue, rel=1e-9)
    assert paired_p(list(a - b.mean())) == pytest.approx(stats.ttest_1samp(a, b.mean()).pvalue, rel=1e-9)


def test_t_tests_of_degenerate_input() -> None:
    assert paired_p([0.1]) != paired_p([0.1])
    assert math.isnan(welch_p([0.1, math.nan], [0.2, 0.3])) and math.isnan(pooled_p([0.1], [0.2, 0.3]))
    assert paired_p([0.1, 0.1]) == 0.0 and paired_p([0.0, 0.0]) == 1.0
    assert welch_p([0.1, 0.1], [0.1, 0.1]) == 1.0


def test_permutation_is_scipys_where_all_are_tried() -> None:
    a, b = STREAM.normal(0.8, 0.02, 5), STREAM.normal(0.79, 0.02, 6)
    wanted = stats.permutation_test(
        (a, b), lambda x, y, axis: abs(x.mean(axis=axis) - y.mean(axis=axis)), n_resamples=np.inf, alternative="greater"
    ).pvalue
    assert permutation_p(list(a), list(b)) == pytest.approx(wanted, abs=1e-12)


def test_permutation_of_many_seeds_is_near_the_t_test_and_of_few_refused() -> None:
    a, b = STREAM.normal(0.80, 0.02, 14), STREAM.normal(0.79, 0.02, 14)
    assert permutation_p(list(a), list(b)) == pytest.approx(stats.ttest_ind(a, b).pvalue, abs=0.03)
    assert math.isnan(permutation_p([1.0, 2.0, 3.0, 4.0], [5.0] * 9))
    assert permutation_p([1.0] * 5, [1.0] * 5) == 1.0


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


def test_hedges_g_by_the_textbook() -> None:
    a, b = [0.83, 0.79, 0.81, 0.84], [0.75, 0.80, 0.78]
    pooled = math.sqrt((3 * np.var(a, ddof=1) + 2 * np.var(b, ddof=1)) / 5)
    assert hedges_g(a, b) == pytest.approx((np.mean(a) - np.mean(b)) / pooled * (1 - 3 / (4 * 5 - 1)), rel=2e-3)
    assert math.isnan(hedges_g([0.5], [0.1, 0.2])) and math.isnan(hedges_g([0.5, 0.5], [0.5, 0.5]))
    draws = np.random.default_rng(8).normal([[1.0], [0.0]], 1.0, (4000, 2, 5))
    assert np.mean([hedges_g(list(x), list(y)) for x, y in draws]) == pytest.approx(1.0, abs=0.04)  # without bias


def test_superiority_is_mann_whitney_and_its_interval_brunner_munzel() -> None:
    a, b = [3.0, 4.0, 6.0, 7.0, 2.0], [2.0, 3.0, 5.0, 1.0]
    assert superiority(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / 20)
    assert superiority(a, b) == pytest.approx(np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b]))
    p = stats.brunnermunzel(a, b).pvalue
    at_p = superiority_interval(a, b, level=1 - p)
    assert at_p is not None and at_p.low == pytest.approx(0.5, abs=1e-9)
    assert superiority_interval([5.0, 6.0], [1.0, 2.0]) is None and superiority_interval([1.0], [2.0, 3.0]) is None
    wide = superiority_interval(a, b)
    assert wide is not None and not meaningful(wide)


@pytest.mark.parametrize(
    ("sd", "wanted"), [(0.15, (6, 7, 4, 6)), (0.20, (9, 11, 7, 9)), (0.30, (17, 23, 14, 18)), (0.40, (29, 39, 23, 32))]
)
def test_seeds_needed_are_those_of_the_documented_table(sd: float, wanted: tuple[int, ...]) -> None:
    found = tuple(seeds_needed(0.3, sd, power, sides=sides) for sides in (2, 1) for power in (0.8, 0.9))
    assert found == wanted


@pytest.mark.parametrize("paired", [True, False])
def test_seeds_needed_and_detectable_are_each_others_inverse(paired: bool) -> None:
    from kdbench.stats import detectable

    def least(n: int) -> float:
        return detectable(0.3, n) if paired else detectable_between(0.3, n, n)

    n = seeds_needed(0.3, 0.3, paired=paired)
    assert least(n) <= 0.3 < least(n - 1)
    assert seeds_needed(5.0, 0.0, paired=paired) == 2
    with pytest.raises(ValueError, match="no number of seeds"):
        seeds_needed(0.0, 0.3)


def test_the_difference_detectable_between_two_arms_is_found_in_four_of_five_simulations() -> None:
    size = detectable_between(1.0, 4, 7)
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


def test_permutations_of_tiny_arms_by_enumeration() -> None:
    a, b = [1.0, 2.0, 3.0, 4.0, 9.0], [2.0, 5.0, 6.0, 7.0, 8.0]
    values = a + b
    labels = {frozenset(order[:5]) for order in permutations(range(10), 5)}
    gap = abs(np.mean(a) - np.mean(b))
    hits = [abs(np.mean([values[i] for i in s]) - np.mean([values[i] for i in set(range(10)) - s])) >= gap - 1e-9 for s in labels]
    assert permutation_p(a, b) == pytest.approx(np.mean(hits))
