"""Intervals over seeds, teachers and examples: resamples by the slow road, the parts by hand, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_runs import arm_of, run_of

from kdbench.metrics.blocks import from_blocks
from kdbench.results.units import Units
from kdbench.stats import bootstrap, paired, welch
from kdbench.stats.bootstrap import Crossed, Run, average, between_teachers, difference, draw_units, plausible, replicates, whole
from kdbench.stats.intervals import half_width, t_quantile
from kdbench.stats.power import detectable, detectable_of

STREAM = np.random.default_rng(20261121)


def pairs_of(units: int = 40) -> dict[str, np.ndarray]:
    confidence = STREAM.uniform(0.3, 1.0, units)
    return {"ece|ece": np.stack([confidence, STREAM.random(units) < confidence], axis=1).astype(np.float64)}


def test_replicates_are_the_metric_recomputed_on_each_resample() -> None:
    blocks = [pairs_of() for _ in range(3)]
    runs = [Run(seed, seed, Units.read(block)) for seed, block in enumerate(blocks)]
    table = replicates("ece", runs, 50)
    for b, counts in enumerate(draw_units(40, 0, 50)):
        index = np.repeat(np.arange(40), counts.astype(int))
        assert len(index) == 40
        for row, block in enumerate(blocks):
            assert table[row, b] == pytest.approx(from_blocks("ece", block, index), abs=1e-13)


def width(found: Crossed | None) -> float:
    assert found is not None
    return found.interval.high - found.interval.low


def test_the_interval_is_t_over_seeds_and_what_runs_share_over_the_examples() -> None:
    first, second = STREAM.random((4, 30)) + STREAM.normal(0.0, 0.1, (4, 1)), STREAM.random((4, 30)) - STREAM.random(30)
    found = difference("score", arm_of(first), arm_of(second), resamples=400)
    away = first - second
    covariances = np.cov(away @ draw_units(30, 0, 400).T / 30)
    examples = covariances[~np.eye(4, dtype=bool)].mean()
    seeds = away.mean(axis=1).var(ddof=1) / 4
    assert examples > 0
    half = math.sqrt(t_quantile(3, 0.975) ** 2 * seeds + t_quantile(29, 0.975) ** 2 * examples)
    assert found is not None
    middle = first.mean() - second.mean()
    assert (found.interval.low, found.interval.high) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert found.interval.estimate == pytest.approx(middle, abs=1e-12)
    assert found.interval.n == 4 and "4 seeds × 30 units" in found.interval.how
    own = np.var(away.mean(axis=0) @ draw_units(30, 0, 400).T / 30, ddof=1) - examples
    assert t_quantile(29, 0.975) ** 2 * own < t_quantile(3, 0.975) ** 2 * seeds
    assert np.concatenate(found.parts) == pytest.approx(np.array([(seeds, 3), (own, 29), (examples, 29)]))


@pytest.mark.parametrize(("seeds", "pairing"), [(2, True), (3, True), (2, False), (3, False)])
def test_seeds_that_lie_close_by_luck_do_not_make_it_narrower_than_the_examples_let_these_runs_be(seeds, pairing) -> None:
    """As where two seeds are right on equally many examples, each on others: their variance is zero."""
    stream = np.random.default_rng([5, seeds, pairing])
    right = np.arange(400) < 300
    first, second = ([stream.permutation(right).astype(float) for _ in range(seeds)] for _ in range(2))
    found = difference("score", arm_of(first), arm_of([row * 0.9 for row in second]), pairing, resamples=1000)
    assert found is not None
    error = np.std(np.mean(first, axis=0) - 0.9 * np.mean(second, axis=0), ddof=1) / math.sqrt(400)  # the text-book's paired one
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(1.966 * error, rel=0.15)
    assert found.interval.excludes_zero == (found.p < 0.05)
    assert detectable_of(found.parts) == pytest.approx(2.8 * error, rel=0.15)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_it_is_never_narrower_than_the_interval_over_seeds(seeds: int) -> None:
    for _ in range(20):
        shift = STREAM.random(40)
        first, second = STREAM.random((seeds, 40)), STREAM.random((seeds, 40)) + shift
        means = first.mean(axis=1), second.mean(axis=1)
        t, apart = paired(list(means[0] - means[1])), welch(list(means[0]), list(means[1]))
        assert t is not None and apart is not None
        assert width(difference("score", arm_of(first), arm_of(second), resamples=200)) >= t.high - t.low - 1e-12
        assert width(difference("score", arm_of(first), arm_of(second), False, 200)) >= apart.high - apart.low - 1e-12


def test_chunks_do_not_change_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk has its own stream, so its size is part of the definition; runs come out alike alone or together."""
    monkeypatch.setattr(bootstrap, "AT_ONCE", 70)
    bootstrap._replicates.cache_clear()
    runs = arm_of(STREAM.random((3, 30)))
    together = replicates("score", runs, 11)
    alone = np.concatenate([replicates("score", [run], 11) for run in runs])
    assert np.array_equal(together, alone)
    assert len({tuple(row) for row in np.concatenate([draw_units(30, s, s + 2) for s in range(0, 10, 2)])}) == 10


def test_paired_arms_are_drawn_together_and_unpaired_ones_apart() -> None:
    table = STREAM.random((5, 60))
    same = difference("score", arm_of(table), arm_of(table + 0.25))
    assert same is not None and same.interval.low == pytest.approx(-0.25) and same.interval.high == pytest.approx(-0.25)
    apart = difference("score", arm_of(table), arm_of(table + 0.25), pairing=False)
    assert apart is not None and apart.interval.low < -0.26 and apart.interval.high > -0.24


def test_pairing_goes_by_seed_and_leaves_out_what_has_no_partner() -> None:
    table = STREAM.random((5, 60))
    shuffled = [run_of(table[seed] + 1, seed) for seed in (4, 2, 0, 1)]
    found = difference("score", arm_of(table), shuffled)
    assert found is not None and found.interval.n == 4
    assert found.interval.low == pytest.approx(-1) and found.interval.high == pytest.approx(-1)


def test_seeds_of_one_teacher_go_together() -> None:
    """Runs that are equal within a teacher: more of them must not make the interval narrower."""
    means = STREAM.normal(0.5, 0.1, 4)
    single = [run_of(np.full(20, mean), i, f"t{i}") for i, mean in enumerate(means)]
    doubled = [run_of(np.full(20, mean), 2 * i + copy, f"t{i}") for i, mean in enumerate(means) for copy in range(2)]
    ignoring = [run_of(np.full(20, mean), 2 * i + copy) for i, mean in enumerate(means) for copy in range(2)]
    once, twice, blind = (width(average("score", runs)) for runs in (single, doubled, ignoring))
    assert blind < 0.7 * once < 0.85 * once < twice <= once


def test_the_part_of_teachers_is_what_seeds_do_not_explain() -> None:
    values = [0.1, 0.3, 0.5, 0.7, 0.2, 0.9]
    runs = [run_of(np.zeros(3), i, f"t{i % 3}") for i in range(6)]
    means = [np.mean([values[i], values[i + 3]]) for i in range(3)]  # 0.4, 0.25, 0.7
    found = between_teachers(values, runs)
    assert found is not None and found[1] == 2
    assert found[0] == pytest.approx(max(0, np.var(means, ddof=1) / 3 - np.var(values, ddof=1) / 6))
    assert between_teachers(values, [run_of(np.zeros(3), i) for i in range(6)]) is None
    assert between_teachers(values, [run_of(np.zeros(3), i, "one") for i in range(6)]) is None


def test_with_one_teacher_its_seeds_are_what_varies() -> None:
    runs = [run_of(np.full(20, mean), i, "the only one") for i, mean in enumerate((0.2, 0.4, 0.6))]
    found, t = average("score", runs), paired([0.2, 0.4, 0.6])
    assert found is not None and t is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((t.low, t.high))


def test_plausible_means_lie_apart_as_the_interval_of_a_pair_says() -> None:
    """At two, three and ten seeds the share of draws below zero is half the p of the interval; more where seeds lie
    closer together than examples let them, since a draw then counts what is lacking on top of them."""
    cases: list[tuple[float, ...]] = [(0.09, -0.03), (0.09, -0.03, 0.0), tuple(np.linspace(-0.1, 0.1, 10)), (0, 0), (0.01, 0, 0)]
    for apart in cases:
        seeds = len(apart)
        noise = STREAM.normal(0.0, 0.3, (2, seeds, 400))
        noise -= noise.mean(axis=2, keepdims=True)
        first, second = noise[0] + np.array(apart)[:, None], noise[1] - 0.03
        arms = arm_of(first), arm_of(second)
        found = difference("score", *arms)
        assert found is not None
        draws = plausible("score", arms, 20_000)
        assert draws is not None
        beyond = float(((draws[0] - draws[1]) * found.interval.estimate < 0).mean())
        (variance, _), (own, _) = found.parts[0]
        assert found.p / 2 - 0.01 <= beyond <= found.p / 2 + (0.02 if variance > own else 0.1)
        again = plausible("score", arms, 20_000)
        assert again is not None and np.array_equal(again, draws)
    assert plausible("score", [arm_of(first), arm_of(np.full((3, 400), math.nan))]) is None


def test_equal_input_gives_equal_bits() -> None:
    first, second = STREAM.random((3, 50)), STREAM.random((3, 50))
    once = difference("score", arm_of(first), arm_of(second))
    draw_units.cache_clear()
    bootstrap._replicates.cache_clear()
    assert difference("score", arm_of(first), arm_of(second)) == once


def test_p_goes_with_the_interval() -> None:
    """Zero is an end of the interval of level 1 - p, however small p is."""
    table = STREAM.normal(0.0, 0.5, (6, 80)) + STREAM.normal(0.0, 0.02, (6, 1))
    for shift in (0.02, 0.05, 0.1, 0.2, 2.0):
        found = difference("score", arm_of(table + shift), arm_of(table * 0), resamples=1000)
        assert found is not None
        assert half_width(found.parts, found.p) == pytest.approx(abs(found.interval.estimate), rel=1e-6)
        assert found.interval.excludes_zero == (found.p < 0.05)


def test_what_would_be_detected_goes_with_the_parts() -> None:
    seeds, examples = (0.04 / 3, 2), (0.01, 99)
    assert detectable_of([(seeds,)]) == pytest.approx(detectable(0.2, 3))
    both, stricter = detectable_of([(seeds,), (examples,)]), detectable_of([(seeds,)], alpha=0.05 / 16)
    assert detectable_of([(seeds, (1e-9, 99))]) == detectable_of([(seeds,)]) == detectable_of([((1e-9, 99), seeds)])
    assert detectable(0.2, 3) < both < detectable(0.2, 3) + 0.1 * 2.9 and stricter > 3 * detectable(0.2, 3)


def test_no_interval_without_two_seeds_or_a_value() -> None:
    table = STREAM.random((3, 10))
    assert difference("score", arm_of(table[:1]), arm_of(table)) is None
    assert difference("score", arm_of(table), [run_of(row, seed + 9) for seed, row in enumerate(table)]) is None
    assert average("score", []) is None
    undefined = arm_of(np.full((3, 10), math.nan))
    assert difference("score", undefined, arm_of(table)) is None
    with pytest.raises(ValueError, match=r"\[10, 11\] units"):
        difference("score", arm_of(table), arm_of(STREAM.random((3, 11))))


def test_whole_is_the_metric_of_each_run() -> None:
    blocks = [pairs_of() for _ in range(3)]
    runs = [Run(seed, seed, Units.read(block)) for seed, block in enumerate(blocks)]
    assert whole("ece", runs) == pytest.approx([from_blocks("ece", block, np.arange(40)) for block in blocks])
