"""The crossed bootstrap: the same resamples by the slow road, what is drawn together, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_runs import arm_of, run_of

from kdbench.metrics.blocks import from_blocks
from kdbench.results.units import Units
from kdbench.stats import bootstrap
from kdbench.stats.bootstrap import Run, average, difference, draw_runs, draw_units, replicates, whole

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


def test_the_interval_is_the_percentiles_of_differences_by_hand() -> None:
    first, second = STREAM.random((4, 30)), STREAM.random((4, 30)) - 0.2
    found = difference("score", arm_of(first), arm_of(second), resamples=400)
    units = draw_units(30, 0, 400)
    runs = draw_runs(arm_of(first), 400, "first")
    by_hand = [
        sum(w * (first[s] @ c - second[s] @ c) / 30 for s, w in enumerate(weights))
        for c, weights in zip(units, runs, strict=True)
    ]
    assert found is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(np.quantile(by_hand, [0.025, 0.975]), abs=1e-12)
    assert found.interval.estimate == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert found.interval.n == 4 and "4 seeds × 30 units" in found.interval.how
    assert found.spread == pytest.approx(np.std(by_hand, ddof=1), abs=1e-12)


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
    widths = []
    for runs in (single, doubled, ignoring):
        found = average("score", runs)
        assert found is not None
        widths.append(found.spread)
    assert widths[1] == pytest.approx(widths[0], rel=0.06)
    assert widths[2] < 0.8 * widths[0]


def test_with_one_teacher_its_seeds_are_drawn() -> None:
    runs = [run_of(np.full(20, mean), i, "the only one") for i, mean in enumerate((0.2, 0.4, 0.6))]
    found = average("score", runs)
    assert found is not None and found.interval.low < 0.3 and found.interval.high > 0.5


def test_weights_sum_to_one_and_depend_on_no_name() -> None:
    runs = [run_of(np.zeros(3), i, teacher) for i, teacher in enumerate("aabbc")]
    other = [run_of(np.zeros(3), i + 7, teacher) for i, teacher in enumerate("xxyyz")]
    weights = draw_runs(runs, 500, "first")
    assert np.array_equal(weights, draw_runs(other, 500, "first"))
    assert np.allclose(weights.sum(axis=1), 1) and np.allclose(weights.mean(axis=0).sum(), 1)
    assert not np.array_equal(weights, draw_runs(runs, 500, "second"))


def test_equal_input_gives_equal_bits() -> None:
    first, second = STREAM.random((3, 50)), STREAM.random((3, 50))
    once = difference("score", arm_of(first), arm_of(second))
    draw_units.cache_clear()
    bootstrap._replicates.cache_clear()
    assert difference("score", arm_of(first), arm_of(second)) == once


def test_p_goes_with_the_interval() -> None:
    """Zero leaves the interval of level 1 - p just as it reaches it."""
    table = STREAM.normal(0.0, 0.5, (6, 80)) + STREAM.normal(0.0, 0.02, (6, 1))
    for shift in (0.02, 0.05, 0.1, 0.2):
        found = difference("score", arm_of(table + shift), arm_of(table * 0), resamples=1000)
        assert found is not None
        if found.p > 0.01:
            wider, narrower = (
                difference("score", arm_of(table + shift), arm_of(table * 0), resamples=1000, level=1 - found.p + change)
                for change in (0.006, -0.006)
            )
            assert wider is not None and not wider.interval.excludes_zero
            assert narrower is not None and narrower.interval.excludes_zero


def test_a_difference_beyond_all_replicates_has_a_p_that_still_tells_sizes_apart() -> None:
    noise = STREAM.normal(0.0, 0.1, (5, 50))
    small, large = (difference("score", arm_of(noise + shift), arm_of(-noise)) for shift in (0.2, 0.4))
    assert small is not None and large is not None
    assert large.p < small.p < 2 / 2000


def test_no_interval_without_two_seeds_or_a_value() -> None:
    table = STREAM.random((3, 10))
    assert difference("score", arm_of(table[:1]), arm_of(table)) is None
    assert difference("score", arm_of(table), [run_of(row, seed + 9) for seed, row in enumerate(table)]) is None
    assert average("score", []) is None
    undefined = arm_of(np.full((3, 10), math.nan))
    assert difference("score", undefined, arm_of(table)) is None
    with pytest.raises(ValueError, match=r"\[10, 11\] units"):
        difference("score", arm_of(table), arm_of(STREAM.random((3, 11))))


def test_whole_is_the_mean_over_runs_of_the_metric() -> None:
    blocks = [pairs_of() for _ in range(3)]
    runs = [Run(seed, seed, Units.read(block)) for seed, block in enumerate(blocks)]
    assert whole("ece", runs) == pytest.approx(np.mean([from_blocks("ece", block, np.arange(40)) for block in blocks]))
