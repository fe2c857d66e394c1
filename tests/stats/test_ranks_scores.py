"""Ranks against scipy, the documented critical differences, rank probabilities by counting, and scores over tasks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kdbench.stats.ranks import TooFewBlocks, critical_difference, friedman_p, mean_ranks, rank_probabilities, ranks
from kdbench.stats.scores import informative, interquartile_mean, middle, normalised

STREAM = np.random.default_rng(6)


def blocks_of(table: np.ndarray) -> list[dict[str, float]]:
    return [{f"m{i}": float(value) for i, value in enumerate(row)} for row in table]


def test_ranks_are_scipys_average_ranks() -> None:
    values = [0.3, 0.9, 0.3, 0.5, 0.9, 0.9]
    assert ranks(values, higher_is_better=False) == list(stats.rankdata(values))
    assert ranks(values) == list(stats.rankdata([-value for value in values]))
    with pytest.raises(ValueError, match="undefined"):
        ranks([0.1, math.nan])


def test_a_method_that_lacks_a_block_is_not_ranked() -> None:
    blocks = [{"a": 0.9, "b": 0.8, "c": 0.99}, {"a": 0.7, "b": 0.8}, {"a": 0.9, "b": 0.1, "c": math.nan}]
    found = mean_ranks(blocks)
    assert found.ranks == {"a": pytest.approx(4 / 3), "b": pytest.approx(5 / 3)}
    assert found.left_out == ("c",) and found.blocks == 3
    assert mean_ranks([]).ranks == {}


def test_rank_probabilities_count_the_resamples() -> None:
    table = np.round(STREAM.random((4, 300)), 1)  # with ties
    found = rank_probabilities(table)
    wanted = np.zeros((4, 4))
    for column in table.T:
        for i, value in enumerate(column):
            places = [(column > value).sum() + j for j in range((column == value).sum())]
            for place in places:
                wanted[i, place] += 1 / len(places) / 300
    assert found == pytest.approx(wanted)
    assert found.sum(axis=0) == pytest.approx(1) and found.sum(axis=1) == pytest.approx(1)
    assert rank_probabilities(table, higher_is_better=False) == pytest.approx(found[:, ::-1])


def test_friedman_orders_as_scipys_statistic_and_knows_its_f_form() -> None:
    table = STREAM.random((15, 4)) + np.array([0.0, 0.1, 0.0, 0.3])
    chi2 = stats.friedmanchisquare(*table.T).statistic
    f = 14 * chi2 / (15 * 3 - chi2)
    assert friedman_p(blocks_of(table)) == pytest.approx(stats.f.sf(f, 3, 3 * 14), rel=1e-9)
    tied = np.round(table, 1)
    chi2 = stats.friedmanchisquare(*tied.T).statistic
    assert friedman_p(blocks_of(tied)) == pytest.approx(stats.f.sf(14 * chi2 / (45 - chi2), 3, 42), rel=1e-9)
    assert friedman_p(blocks_of(np.ones((12, 3)))) == 1.0
    assert friedman_p(blocks_of(np.tile([0.1, 0.2, 0.3], (12, 1)))) == 0.0


@pytest.mark.parametrize(
    ("methods", "blocks", "wanted"), [(3, 12, 0.96), (3, 20, 0.74), (5, 12, 1.76), (5, 20, 1.36), (8, 12, 3.03), (8, 20, 2.35)]
)
def test_the_critical_difference_is_the_documented_one(methods: int, blocks: int, wanted: float) -> None:
    assert critical_difference(methods, blocks) == pytest.approx(wanted, abs=0.006)


def test_few_blocks_are_refused_with_the_reason() -> None:
    with pytest.raises(TooFewBlocks, match=r"4 blocks .* too few .* 12"):
        critical_difference(5, 4)
    with pytest.raises(TooFewBlocks, match="11 blocks"):
        friedman_p(blocks_of(STREAM.random((11, 3))))
    with pytest.raises(TooFewBlocks, match="every block"):
        friedman_p([{"a": 0.1}] * 12)


def test_a_score_is_the_share_of_the_way_to_the_teacher() -> None:
    assert normalised(0.85, plain=0.8, teacher=0.9) == pytest.approx(0.5)
    assert normalised(0.3, plain=0.5, teacher=0.1) == pytest.approx(0.5)  # a metric of which less is better
    assert math.isnan(normalised(0.3, plain=0.5, teacher=0.5))


def test_a_task_whose_teacher_is_near_the_plain_student_says_nothing() -> None:
    assert informative([0.80, 0.81, 0.79], [0.83, 0.84])
    assert not informative([0.80, 0.83, 0.77], [0.83, 0.84])
    assert not informative([0.8, 0.8], [0.8])


@pytest.mark.parametrize("n", [1, 3, 4, 7, 12])
def test_the_interquartile_mean_is_scipys_trimmed_mean(n: int) -> None:
    values = STREAM.random(n)
    assert interquartile_mean(list(values)) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_middle_of_scores_by_hand_and_its_refusals() -> None:
    scores = {"a": [0.2, 0.4, 0.3], "b": [0.9, 1.0, 0.8], "c": [-0.2, 0.0, 0.1], "d": [0.5, 0.5, 0.5]}
    found = middle(scores)
    assert found is not None
    flat = [value for values in scores.values() for value in values]
    assert found.mean.estimate == pytest.approx(np.mean(flat))
    assert found.iqm.estimate == pytest.approx(stats.trim_mean(flat, 0.25))
    assert found.mean.low < found.mean.estimate < found.mean.high
    assert found.iqm_over_tasks.high - found.iqm_over_tasks.low > found.iqm.high - found.iqm.low  # tasks differ more than runs
    parts = [np.var(v, ddof=1) / 3 / 16 for v in scores.values()]
    freedom = sum(parts) ** 2 / sum(part**2 / 2 for part in parts)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))  # of a stratified mean
    assert found.mean.high - found.mean.estimate == pytest.approx(half)
    assert found.iqm.high - found.iqm.estimate > 0.7 * half
    assert middle(scores) == found
    assert middle({}) is None and middle({"a": [0.5]}) is None and middle({"a": [0.5, math.nan]}) is None


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_intervals_over_tasks_hold_their_truth(runs: int) -> None:
    """Scores of three tasks with known middles; other runs, and other tasks."""
    stream = np.random.default_rng([7, runs])
    held = np.zeros(2)
    trials = 300
    for _ in range(trials):
        tasks = stream.normal(0.5, 0.2, 3)
        found = middle({str(i): list(stream.normal(t, 0.1, runs)) for i, t in enumerate(tasks)}, resamples=200)
        assert found is not None
        held += [found.mean.low <= tasks.mean() <= found.mean.high, found.iqm_over_tasks.low <= 0.5 <= found.iqm_over_tasks.high]
    assert (held / trials >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / trials)).all(), held / trials
