"""How often intervals hold the truth, in fidelity.md's simulation: two arms of S runs, N examples of U-shaped difficulty.

"fixed" asks for the difference of the recipes' means on these very examples, "pop" for that on new ones.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_runs import arm_of, run_of, u_shaped

from kdbench.stats import Interval, welch
from kdbench.stats.bootstrap import average, difference

Coverage = dict[str, tuple[float, float]]


def coverage(seeds: int, units: int, trials: int, resamples: int, run_sd: float = 0.0, key: int = 0) -> Coverage:
    """Share of trials in which each interval holds the fixed and the population difference (which is 0: arms are alike)."""
    stream = np.random.default_rng([seeds, units, key])
    held = {"crossed": [0, 0], "welch": [0, 0]}
    for _ in range(trials):
        p, q = u_shaped(stream, units), u_shaped(stream, units)
        mixed = 0.7 * p + 0.3 * q  # the second recipe finds other examples hard, and is as good on the whole
        arms = []
        for chance in (p, mixed):
            shift = stream.normal(0.0, run_sd, (seeds, 1))
            arms.append((stream.random((seeds, units)) < np.clip(chance + shift, 0, 1)).astype(np.float64))
        crossed = difference("score", arm_of(arms[0]), arm_of(arms[1]), pairing=False, resamples=resamples)
        t = welch(list(arms[0].mean(axis=1)), list(arms[1].mean(axis=1)))
        assert crossed is not None and t is not None
        for name, interval in (("crossed", crossed.interval), ("welch", t)):
            for place, truth in enumerate((float((p - mixed).mean()), 0.0)):
                held[name][place] += holds(interval, truth)
    return {name: (fixed / trials, pop / trials) for name, (fixed, pop) in held.items()}


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def error(trials: int, share: float = 0.95) -> float:
    """Three standard errors of a share."""
    return 3 * math.sqrt(share * (1 - share) / trials)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_the_crossed_interval_covers_both_and_t_the_fixed_difference(seeds: int) -> None:
    found = coverage(seeds, units=300, trials=200, resamples=300)
    least = 0.95 - error(200)
    assert found["crossed"][0] >= least and found["crossed"][1] >= least, found
    assert abs(found["welch"][0] - 0.95) <= error(200) + 0.03, found  # Welch is conservative at two seeds
    assert found["crossed"][1] >= found["welch"][1]  # it holds the other interval


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_paired_seeds_are_covered_and_the_p_is_as_rare_as_it_says(seeds: int) -> None:
    """Runs of one seed have something in common; nothing differs but the examples that each arm finds hard."""
    stream = np.random.default_rng([11, seeds])
    trials, ps = 400, []
    for _ in range(trials):
        p, q = u_shaped(stream, 300), u_shaped(stream, 300)
        shift = stream.normal(0.0, 0.02, (seeds, 1))
        first, second = ((stream.random((seeds, 300)) < np.clip(c + shift, 0, 1)).astype(float) for c in (p, 0.7 * p + 0.3 * q))
        found = difference("score", arm_of(first), arm_of(second), resamples=200)
        assert found is not None and found.interval.excludes_zero == (found.p < 0.05)
        ps.append(found.p)
    for alpha in (0.05, 0.2):
        assert np.mean(np.array(ps) < alpha) <= alpha + error(trials, alpha)


@pytest.mark.parametrize(("seeds", "teachers"), [(4, 2), (5, 3), (10, 3), (10, 5)])
def test_seeds_that_share_teachers_are_covered(seeds: int, teachers: int) -> None:
    """With a teacher's effect as large as a seed's; twice as many would be missed without the teachers' part."""
    stream = np.random.default_rng([13, seeds, teachers])
    trials, missed = 400, 0
    for _ in range(trials):
        effects = stream.normal(0.0, 0.02, teachers)[np.arange(seeds) % teachers] + stream.normal(0.0, 0.02, seeds)
        table = effects[:, None] + stream.normal(0.0, 0.2, (1, 200)) + stream.normal(0.0, 0.3, (seeds, 200))
        found = average("score", [run_of(row, seed, seed % teachers) for seed, row in enumerate(table)], resamples=200)
        assert found is not None
        missed += not holds(found.interval, 0.0)
    assert missed / trials <= 0.05 + error(trials), missed / trials


def test_t_does_not_cover_new_examples_once_seeds_are_many() -> None:
    """Why a claim needs the crossed interval: with ten seeds the test set is what is left of the noise."""
    found = coverage(10, units=300, trials=400, resamples=300)
    assert found["welch"][1] < 0.9 < 0.95 - error(400) <= found["crossed"][1], found


# seeds, run-level sd -> crossed fixed/pop, Welch fixed/pop as fidelity.md 3.1 documents them
DOCUMENTED = {
    (2, 0.0): ((0.99, 0.98), (0.98, 0.96)),
    (3, 0.0): ((1.00, 0.99), (0.98, 0.95)),
    (5, 0.0): ((1.00, 0.99), (0.95, 0.89)),
    (10, 0.0): ((1.00, 0.98), (0.95, 0.81)),
    (3, 0.0027): ((0.99, 0.97), (0.94, 0.92)),
    (10, 0.0027): ((1.00, 0.98), (0.94, 0.84)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "run_sd"), DOCUMENTED)
def test_the_documented_table(seeds: int, run_sd: float) -> None:
    """5,000 examples, 300 trials: within three standard errors of both simulations."""
    found = coverage(seeds, units=5000, trials=300, resamples=500, run_sd=run_sd, key=1)
    for name, wanted in zip(("crossed", "welch"), DOCUMENTED[seeds, run_sd], strict=True):
        for got, documented in zip(found[name], wanted, strict=True):
            share = min(max((got + documented) / 2, 0.02), 0.98)
            assert abs(got - documented) <= error(300, share) * math.sqrt(2) + 0.01, (name, found)
