"""The rule and its noise against an independent computation, and the properties that any such rule must have."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kdbench.gate.noise import Pool, Sample, assumed, pool, unevenness
from kdbench.gate.rule import BETTER, OPEN, PASS, WORSE, Judged, detectable, judge

TAIL = 0.001


def decide(base: list[list[float]], new: list[list[float]], margin: float = 0.5, **more: float) -> Judged:
    before, after = Sample.of(base), Sample.of(new)
    noise = pool(before, after)
    return judge(before, after, noise, unevenness([noise]), TAIL, margin, **more)


def drawn(cells: int, seeds: int, sd: float = 1.0, seed: int = 0) -> list[list[float]]:
    return (np.random.default_rng(seed).standard_normal((cells, seeds)) * sd).tolist()


def test_a_single_cell_is_students_t_test():
    base, new = drawn(1, 6)[0], [value - 2.0 for value in drawn(1, 4, seed=1)[0]]
    judged = decide([base], [new])
    variance = (5 * statistics.variance(base) + 3 * statistics.variance(new)) / 8
    error = math.sqrt(variance * (1 / 6 + 1 / 4))
    assert judged.gain[0] == pytest.approx(statistics.mean(new) - statistics.mean(base))
    assert judged.half[0] == pytest.approx(stats.t.ppf(1 - TAIL, 8) * error)
    assert judged.freedom[0] == 8 and judged.spread[0] == pytest.approx(math.sqrt(variance))
    p = stats.ttest_ind(new, base, alternative="less").pvalue
    assert (judged.outcome[0] == WORSE) == (p < TAIL)


def test_alike_cells_share_their_noise():
    base, new = drawn(30, 5), drawn(30, 3, seed=1)
    judged = decide(base, new)
    own = [(4 * statistics.variance(b) + 2 * statistics.variance(n)) / 6 for b, n in zip(base, new)]
    together = statistics.mean(own)  # all cells have as many seeds
    quiet = [i for i, variance in enumerate(own) if variance < together]
    loud = [i for i, variance in enumerate(own) if variance > together]
    assert judged.spread[loud] == pytest.approx(np.sqrt([own[i] for i in loud]))  # never below what a cell shows
    assert (judged.spread[quiet] >= np.sqrt([own[i] for i in quiet])).all()
    assert judged.spread[quiet] == pytest.approx(math.sqrt(together), rel=0.25)
    assert judged.freedom[0] > 20


def test_unlike_cells_stand_for_themselves():
    sd = np.array([1.0] * 7 + [20.0])
    stream = np.random.default_rng(5)
    before, after = (Sample.along(stream.standard_normal((8, n)) * sd[:, None]) for n in (10, 10))
    noise = pool(before, after)
    uneven = unevenness([noise])
    variance, freedom = assumed(noise, uneven)
    assert uneven[0] > 2 and freedom.max() < 20
    assert np.sqrt(variance[:7]).max() < 4 < 5 < np.sqrt(noise.together[0])
    assert np.sqrt(variance[7]) == pytest.approx(20, rel=0.5)


@pytest.mark.parametrize("spread, expected", [(0.0, 0.0), (0.5, 0.25)])
def test_unevenness_is_the_relative_variance_of_the_variances(spread: float, expected: float):
    """True variances are drawn from a gamma of mean 1 and known relative variance; many cells show it."""
    stream = np.random.default_rng(3)
    pools = []
    for _ in range(300):
        true = stream.gamma(1 / spread**2, spread**2, 8) if spread else np.ones(8)
        values = [Sample.along(stream.standard_normal((8, n)) * np.sqrt(true)[:, None]) for n in (10, 10)]
        pools.append(pool(*values))
    assert unevenness(pools)[0] == pytest.approx(expected, abs=0.05)


def test_a_cell_alone_is_not_uneven():
    noise = pool(Sample.of(drawn(1, 5)), Sample.of(drawn(1, 3, seed=1)))
    assert unevenness([noise])[0] == 0 and assumed(noise, np.zeros(1))[1][0] == 6


def test_wild_runs_are_no_noise():
    base, new = drawn(8, 10), drawn(8, 3, seed=1)
    new[0] = [0.0, -60.0, 0.0]
    new[1] = [0.1, 0.0, -0.1]
    judged = decide(base, new)
    assert judged.outcome[0] == WORSE and judged.spread[1] < 2
    new[0] = [40.0, -40.0, 0.0]  # no worse in the mean, but not as it was
    assert decide(base, new, margin=100.0).outcome[0] == OPEN


def test_single_runs():
    base, new = drawn(4, 5), drawn(4, 1, seed=1)
    new[0] = [-50.0]
    judged = decide(base, new)
    assert (judged.outcome == OPEN).all() and np.isinf(judged.half).all()
    judged = decide(base, new, known=0.5)
    assert judged.outcome[0] == WORSE and np.isfinite(judged.half).all() and (judged.spread >= 0.5).all()
    alone = decide([[0.0]], [[-3.0]], known=0.5)
    assert alone.outcome[0] == WORSE and alone.half[0] == pytest.approx(stats.norm.ppf(1 - TAIL) * 0.5 * math.sqrt(2))


def test_a_known_noise_is_the_least():
    base, new = drawn(4, 5, sd=0.01), drawn(4, 3, sd=0.01, seed=1)
    assert (decide(base, new, known=2.0).spread == 2.0).all()
    assert (decide(base, new, known=0.001).spread > 0.004).all()


def test_no_noise_at_all():
    assert decide([[1.0, 1.0]], [[1.0, 1.0]]).outcome[0] == PASS
    assert decide([[1.0, 1.0]], [[0.9, 0.9]]).outcome[0] == WORSE
    assert decide([[1.0, 1.0]], [[1.1, 1.1]]).outcome[0] == BETTER
    third = 1 / 3  # a mean that rounds differently for two and for three runs is no difference
    assert decide([[third, third]], [[third, third, third]]).outcome[0] == PASS


def test_the_margin_is_never_below_twice_the_noise():
    judged = decide(drawn(8, 10), drawn(8, 10, seed=1), margin=0.01)
    assert judged.margin == pytest.approx(2 * judged.spread)
    assert (decide(drawn(8, 10), drawn(8, 10, seed=1), margin=9.0).margin == 9.0).all()


def test_detectable_is_found_four_times_of_five():
    """By drawing: of true losses of this size, the rule finds 80 %."""
    stream = np.random.default_rng(11)
    loss = detectable(1.0, 8 * 6, 3, 5, TAIL)
    found = []
    for _ in range(400):
        before, after = (Sample.along(stream.standard_normal((8, n)) - d) for n, d in ((5, 0.0), (3, loss)))
        alike = pool(before, after)
        plain = Pool(alike.together, alike.freedom, 0 * alike.own, alike.own_freedom, alike.wild)  # the pool alone, as promised
        found += list(judge(before, after, plain, np.zeros(1), TAIL, 0.5).outcome == WORSE)
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)
    assert math.isinf(detectable(1.0, 0.0, 3, 5, TAIL)) and math.isinf(detectable(1.0, 5.0, 0, 5, TAIL))


values = st.lists(st.floats(-10, 10), min_size=2, max_size=6)
suites = st.lists(st.tuples(values, values), min_size=1, max_size=5)
ORDER = {WORSE: 0, OPEN: 1, PASS: 2, BETTER: 3}


@settings(max_examples=60)
@given(suites, st.floats(0.01, 5), st.floats(0, 10), st.sampled_from([1.0, -1.0]))
def test_more_is_never_judged_worse(suite, margin: float, by: float, sign: float):
    base, new = [b for b, _ in suite], [n for _, n in suite]
    before = decide(base, new, margin, sign=sign)
    moved = decide(base, [[value + sign * by for value in values] for values in new], margin, sign=sign)
    assert all(ORDER[int(b)] >= ORDER[int(a)] for a, b in zip(before.outcome, moved.outcome) if by > 1e-6)


@settings(max_examples=60)
@given(suites, st.randoms())
def test_the_order_of_cells_does_not_matter(suite, random):
    shuffled = list(range(len(suite)))
    random.shuffle(shuffled)
    judged = decide([b for b, _ in suite], [n for _, n in suite])
    other = decide([suite[i][0] for i in shuffled], [suite[i][1] for i in shuffled])
    assert other.half == pytest.approx(judged.half[shuffled], rel=1e-9) and other.gain == pytest.approx(judged.gain[shuffled])


@settings(max_examples=40)
@given(suites, st.floats(0.1, 100))
def test_units_do_not_matter(suite, scale: float):
    base, new = [b for b, _ in suite], [n for _, n in suite]
    judged = decide(base, new, 0.5)
    scaled = decide([[v * scale for v in b] for b in base], [[v * scale for v in n] for n in new], 0.5 * scale)
    assert scaled.half == pytest.approx(judged.half * scale, rel=1e-6, abs=1e-9)
    assert scaled.margin == pytest.approx(judged.margin * scale, rel=1e-6)
