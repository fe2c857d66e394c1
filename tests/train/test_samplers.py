"""Samplers: each class equally often, or neighbours of one class; orders stay functions of the epoch."""

import pytest
import torch

from kdbench.contract.errors import DataError
from kdbench.registry import load_target
from kdbench.train.sampler import GROUP, balanced, grouped
from kdbench.train.stream import Stream, ViewSpec

CPU = torch.device("cpu")
CLASSES = torch.tensor([0] * 50 + [1] * 9 + [3] * 5)


def generator():
    return torch.Generator().manual_seed(1)


def test_balanced_shows_each_class_equally_often():
    rows = balanced(CLASSES, 60, generator())
    assert CLASSES[rows].bincount().tolist() == [20, 20, 0, 20]
    assert all(CLASSES[rows[i : i + 3]].unique().numel() == 3 for i in range(0, 60, 3))
    small = rows[CLASSES[rows] == 3].bincount(minlength=len(CLASSES))[-5:]
    assert small.tolist() == [4] * 5  # a small class is gone round evenly
    assert rows[CLASSES[rows] == 0].unique().numel() == 20  # a large one shows others each time


def test_grouped_puts_one_class_together():
    rows = grouped(CLASSES, len(CLASSES), generator())
    groups = CLASSES[rows].view(-1, GROUP)
    assert (groups == groups[:, :1]).all()
    assert len(rows) == len(CLASSES)


def stream(sampler, name="labelled", seed=1):
    task = load_target("kdbench.tasks.classification:Digits")()
    return Stream(task, name, 20, seed, ViewSpec("warp", 4, 2), CPU, sampler=sampler)


def test_a_stream_follows_its_sampler():
    batch = stream("balanced").batch(7)
    assert batch["label"].bincount().tolist() == [2] * 10
    groups = stream("grouped").batch(2)["label"].view(-1, GROUP)
    assert (groups == groups[:, :1]).all()
    assert not torch.equal(stream("balanced").batch(0).index, stream("balanced").batch(5).index)
    assert torch.equal(stream("balanced").batch(5).index, stream("balanced").batch(5).index)


def test_a_shuffled_stream_is_as_it_was():
    plain = Stream(stream("shuffled").task, "labelled", 20, 1, ViewSpec("warp", 4, 2), CPU)
    assert torch.equal(plain.batch(3).index, stream("shuffled").batch(3).index)


def test_a_set_without_one_class_a_sample_is_refused():
    with pytest.raises(DataError, match="needs one class for each sample, set 'pool' has none"):
        stream("balanced", "pool")


def test_a_view_names_it(bench):
    made = bench("digits", "kd", view={"sampler": "balanced"}, recipe={"batch": {"labelled": 10, "transfer": 8}}).train()
    assert made.streams["labelled"].batch(0)["label"].unique().numel() == 10
    assert made.streams["transfer"].sampler == "shuffled"
