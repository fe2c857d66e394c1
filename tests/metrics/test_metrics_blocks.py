"""Resampling blocks: all units in order give the metric, and a resample gives the metric of the resampled outputs."""

import metric_samples as samples
import numpy as np
import pytest

from kdbench.metrics import card, catalogue
from kdbench.metrics.blocks import from_blocks

PRIMARY = {family: [entry.name for entry in catalogue.primary(family)] for family in samples.FAMILIES}


def direct(family, student, teachers):
    return {**card.truth(family, student), **card.fidelity(family, student, teachers)}


@pytest.mark.parametrize("teachers", [1, 3])
@pytest.mark.parametrize("family", samples.FAMILIES)
def test_all_units_in_order_give_the_metric(family, teachers):
    student, near = samples.outputs(family, seed=1, teachers=teachers)
    blocks = card.blocks(family, student, near)
    units = {len(block) for block in blocks.values()}
    assert len(units) == 1
    index, expected = np.arange(units.pop()), direct(family, student, near)
    for name in PRIMARY[family]:
        assert from_blocks(name, blocks, index) == pytest.approx(expected[name], abs=1e-13), name


@pytest.mark.parametrize("family", samples.FAMILIES)
def test_a_resample_gives_the_metric_of_resampled_outputs(family):
    student, near = samples.outputs(family, seed=2)
    blocks = card.blocks(family, student, near)
    units = len(next(iter(blocks.values())))
    index = np.random.default_rng(5).integers(0, units, units)
    expected = direct(family, samples.take(family, student, index), [samples.take(family, t, index) for t in near])
    for name in PRIMARY[family]:
        assert from_blocks(name, blocks, index) == pytest.approx(expected[name], abs=1e-13), name


def test_retrieval_keeps_its_other_truth_metrics_too():
    student, near = samples.outputs("retrieval")
    blocks, truth = card.blocks("retrieval", student, near), card.truth("retrieval", student)
    for name in ("rr@10", "recall@100"):
        assert from_blocks(name, blocks, np.arange(20)) == pytest.approx(truth[name], abs=1e-15)


def test_without_teachers_only_truth_blocks_and_a_clear_error_for_the_rest():
    student, _ = samples.outputs("classification")
    blocks = card.blocks("classification", student)
    assert sorted(blocks) == ["accuracy|mean", "ece|ece"]
    with pytest.raises(KeyError, match=r"agreement.*accuracy, ece"):
        from_blocks("agreement", blocks, np.arange(3))
