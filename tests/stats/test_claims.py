"""Verdicts on claims: by the whole interval, never by the mean alone, and never on a sample that lost its bad seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from kdbench.stats import Interval, judge


@dataclass(frozen=True)
class Claim:
    at_least: float | None = 0.0
    at_most: float | None = None


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


BASE = by_seed(0.70, 0.71, 0.69, 0.70, 0.72)


def shifted(*by: float) -> dict[int, float]:
    return {seed: BASE[seed] + value for seed, value in enumerate(by)}


def test_holds_where_the_whole_interval_lies_within() -> None:
    verdict = judge(Claim(), shifted(0.05, 0.06, 0.055, 0.05, 0.06), BASE)
    assert (verdict.outcome, verdict.n, verdict.wins) == ("holds", 5, 5)
    wanted = stats.ttest_1samp([0.05, 0.06, 0.055, 0.05, 0.06], 0).confidence_interval(0.95)
    assert verdict.interval is not None
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx((wanted.low, wanted.high))
    assert verdict.difference == pytest.approx(0.055)


def test_fails_only_where_the_whole_interval_lies_outside() -> None:
    worse = shifted(-0.05, -0.06, -0.055, -0.05, -0.06)
    assert judge(Claim(), worse, BASE).outcome == "fails"
    assert judge(Claim(at_least=None, at_most=-0.1), worse, BASE).outcome == "fails"
    assert judge(Claim(at_least=None, at_most=0.0), worse, BASE).outcome == "holds"


def test_undecided_where_the_interval_crosses_a_bound() -> None:
    mixed = shifted(0.05, -0.02, 0.03, 0.01, -0.01)
    verdict = judge(Claim(), mixed, BASE)
    assert (verdict.outcome, verdict.wins) == ("undecided", 3)
    assert judge(Claim(at_least=-0.5, at_most=0.5), mixed, BASE).outcome == "holds"
    # An interval that contains all bounds is neither within nor outside.
    assert judge(Claim(at_least=0.0, at_most=0.001), mixed, BASE).outcome == "undecided"


def test_pairs_are_of_equal_seeds_only() -> None:
    arm = {1: 0.75, 2: 0.74, 9: 0.1}
    verdict = judge(Claim(), arm, BASE)
    assert verdict.n == 2
    assert verdict.difference == pytest.approx(((0.75 - 0.71) + (0.74 - 0.69)) / 2)


def test_one_seed_is_never_enough() -> None:
    verdict = judge(Claim(), {0: 0.99}, {0: 0.1})
    assert (verdict.outcome, verdict.interval, verdict.n) == ("undecided", None, 1)
    assert "one seed" in verdict.why


def test_no_common_seed_is_not_run() -> None:
    assert judge(Claim(), {}, BASE).outcome == "not_run"
    assert judge(Claim(), {7: 0.5}, BASE).outcome == "not_run"
    assert math.isnan(judge(Claim(), {}, {}).difference)


def test_seeds_that_diverged_or_are_missing_leave_it_undecided() -> None:
    good = shifted(0.05, 0.06, 0.055, 0.05, 0.06)
    verdict = judge(Claim(), {**good, 2: math.nan}, BASE)
    assert verdict.outcome == "undecided" and "1 of 5 seeds" in verdict.why
    assert verdict.interval is not None and verdict.n == 4
    verdict = judge(Claim(), {seed: good[seed] for seed in (0, 1, 2)}, BASE, planned=5)
    assert verdict.outcome == "undecided" and "3 of 5 seeds" in verdict.why
    assert judge(Claim(), by_seed(math.nan, math.nan), BASE).outcome == "undecided"


def test_equal_arms_hold_a_claim_of_not_worse() -> None:
    assert judge(Claim(), BASE, BASE).outcome == "holds"
    assert judge(Claim(at_least=0.001), BASE, BASE).outcome == "fails"


def test_a_true_claim_on_the_bound_fails_in_one_of_forty() -> None:
    stream, trials = np.random.default_rng(3), 2000
    failed = sum(
        judge(Claim(), dict(enumerate(stream.normal(0, 1, 5))), dict.fromkeys(range(5), 0.0)).outcome == "fails"
        for _ in range(trials)
    )
    assert abs(failed / trials - 0.025) < 4 * math.sqrt(0.025 * 0.975 / trials)


def test_both_intervals_decide():
    """Seeds alone may agree on what other test examples would not show."""
    better = shifted(0.05, 0.06, 0.055, 0.05, 0.06)
    wide = Interval(-0.01, 0.055, 0.12, 5, "crossed")
    clear = Interval(0.03, 0.055, 0.08, 5, "crossed")
    assert judge(Claim(), better, BASE, crossed=clear).outcome == "holds"
    undecided = judge(Claim(), better, BASE, crossed=wide)
    assert (undecided.outcome, undecided.crossed) == ("undecided", wide)
    assert "test examples" in undecided.why
    assert judge(Claim(at_least=None, at_most=0.0), better, BASE, crossed=clear).outcome == "fails"
    assert judge(Claim(at_least=None, at_most=0.0), better, BASE, crossed=wide).outcome == "undecided"
    mixed = shifted(0.05, -0.06, 0.055, -0.05, 0.06)
    assert judge(Claim(), mixed, BASE, crossed=clear).outcome == "undecided"
