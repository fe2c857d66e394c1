"""Streams: every sample equally often, the same view for the same place, whatever the batch size."""

import torch

from kdbench.registry import load_target
from kdbench.train.stream import Stream, Tick, ViewSpec

CPU = torch.device("cpu")


def stream(batch=7, bank=4, order=1, view=2, name="pool"):
    task = load_target("kdbench.tasks.classification:Digits")()
    return Stream(task, name, batch, order, ViewSpec("warp", bank, view), CPU)


def test_each_epoch_shows_every_sample_once():
    s = stream(batch=100)
    seen = torch.cat([s.batch(i).index for i in range(9)])  # 900 samples
    assert torch.equal(seen.sort().values, torch.arange(900))
    again = torch.cat([s.batch(i).index for i in range(9, 18)])
    assert torch.equal(again.sort().values, torch.arange(900))
    assert not torch.equal(seen, again)


def test_batches_run_across_the_ends_of_epochs():
    s = stream(batch=64, bank=None)
    batch = s.batch(14)  # positions 896 … 959
    assert batch.view.tolist() == [0] * 4 + [1] * 60
    assert len(batch) == 64


def test_a_set_smaller_than_a_batch_is_recycled():
    s = stream(batch=250, name="labelled")
    assert s.batch(0).index.bincount().tolist() == [3] * 50 + [2] * 50 or s.batch(0).index.bincount().sum() == 250


def test_bank_repeats_its_views():
    s = stream(batch=900, bank=2)
    first, third = s.batch(0), s.batch(2)
    at_first = first["image"][first.index.argsort()]
    at_third = third["image"][third.index.argsort()]
    assert torch.equal(at_first, at_third)
    second = s.batch(1)
    assert not torch.equal(at_first, second["image"][second.index.argsort()])


def test_views_do_not_depend_on_order_or_batch_size():
    a, b = stream(batch=900, order=1), stream(batch=30, order=9)
    whole = a.batch(0)
    part = b.batch(0)
    assert torch.equal(part["image"], whole["image"][whole.index.argsort()][part.index])


def test_another_view_seed_shows_other_views():
    a, b = stream(batch=900, view=1), stream(batch=900, view=2)
    assert torch.equal(a.batch(0).index, b.batch(0).index)
    assert not torch.equal(a.batch(0)["image"], b.batch(0)["image"])


def test_an_alias_is_made_once():
    s = stream()
    tick = Tick(0, {"labelled": s, "transfer": s})
    assert tick.batch("labelled") is tick.batch("transfer")


def test_unlabelled_streams_have_no_labels():
    import pytest

    with pytest.raises(KeyError, match="no field 'label'"):
        stream().batch(0)["label"]
