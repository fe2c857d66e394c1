"""Batches that are made ahead are the batches that would have been made, and the wait for them is what it was."""

import time

import pytest
import torch

from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.task import Samples
from kdbench.registry import load_target
from kdbench.tasks.classification import Digits
from kdbench.train.ahead import Ahead
from kdbench.train.run import waited
from kdbench.train.stream import Stream, ViewSpec

CPU = torch.device("cpu")


class Slow(Digits):
    """Digits that are fetched when a view is drawn, as from a disk."""

    seconds = 0.0
    makes = 0
    broken = -1

    def data(self, name: str) -> Samples:
        found = super().data(name)
        return Samples({"file": torch.arange(len(found)), "label": found.fields["label"]}, ahead=2)

    def augment(self, policy, batch, draw: Draw):
        self.makes += 1
        time.sleep(self.seconds)
        if self.broken in batch["file"].tolist():
            raise DataError("7.jpg: cannot be read as an image")
        image = Digits().data("train").fields["image"][batch["file"]]
        return super().augment(policy, batch.but(fields={"image": image, "label": batch["label"]}), draw)


def stream(task, batch=40, stages=()) -> Stream:
    return Stream(task, "train", batch, 1, ViewSpec("warp", None, 2), CPU, stages)


def mixup():
    kind = load_target("kdbench.train.views.mixup:Mixup")
    return [(kind, kind.Config())]


@pytest.mark.parametrize("stages", [(), mixup()], ids=["plain", "mixup"])
def test_made_ahead_is_made_the_same(stages):
    ahead, resident = stream(Slow(), stages=stages), stream(Digits(), stages=stages)
    for step in (*range(5), 21, 22, 23, 3, 4):  # over the end of an epoch, on from a checkpoint, back again
        one, other = ahead.batch(step), resident.batch(step)
        assert torch.equal(one.index, other.index) and torch.equal(one.view, other.view)
        assert one.fields.keys() == other.fields.keys()
        assert all(torch.equal(values, other[name]) for name, values in one.fields.items())
    index, view = torch.tensor([5, 800, 5]), torch.tensor([0, 9, 3])
    assert torch.equal(ahead.show(index, view)["image"], resident.show(index, view)["image"])
    assert torch.equal(ahead.show(index, view, "none")["image"], resident.show(index, view, "none")["image"])


def test_a_prompt_stream_is_not_waited_for_and_a_slow_one_is():
    task = Slow()
    task.seconds = 0.05
    slow = stream(task)
    slow.batch(0)
    began = slow.waited
    assert began > 0.04, "nothing could be made before the first"
    time.sleep(0.5)  # a long step
    slow.batch(1), slow.batch(2)
    assert slow.waited - began < 0.02, "these were there"
    for step in range(3, 9):  # no work between: each has to be waited for
        slow.batch(step)
    assert slow.waited - began > 0.1
    assert waited({"labelled": slow, "transfer": slow}, 10.0)["data_share"] == pytest.approx(slow.waited / 10, abs=1e-4)


@pytest.mark.parametrize(("reads", "works"), [(0.06, 0.02), (0.01, 0.04)], ids=["slow reader", "slow step"])
def test_work_and_wait_together_are_the_time_that_passed(reads, works):
    task = Slow()
    task.seconds = reads
    slow = stream(task)
    slow.batch(0)
    before, worked, began = slow.waited, 0.0, time.perf_counter()
    for step in range(1, 13):
        slow.batch(step)
        at = time.perf_counter()
        time.sleep(works)
        worked += time.perf_counter() - at
    passed, waited = time.perf_counter() - began, slow.waited - before
    assert passed == pytest.approx(worked + waited, abs=0.1 * passed)
    if reads > works:
        assert waited > 12 * (reads - works) * 0.7  # three are made ahead, the others are each waited for


def test_the_wait_counts_only_where_the_device_is_idle(monkeypatch: pytest.MonkeyPatch):
    task = Slow()
    task.seconds = 0.4
    slow = stream(task)
    until = time.perf_counter() + 0.35
    monkeypatch.setattr(Ahead, "_busy", lambda self: time.perf_counter() < until)
    slow.batch(0)
    assert 0.01 < slow.waited < 0.3, "of .4 seconds the device worked in .35"


def test_what_a_device_makes_on_the_side_has_no_share():
    class Elsewhere:
        home, waited = torch.device("cuda"), 5.0

    assert waited({"labelled": Elsewhere(), "transfer": Elsewhere()}, 10.0) == {}


def test_an_unreadable_sample_is_told_at_its_step_and_not_before():
    task = Slow()
    good = stream(task)
    task.broken = int(good.permutation(0)[40 * 3])
    broken = stream(task)
    for step in range(3):
        broken.batch(step)
    with pytest.raises(DataError, match=r"7\.jpg"):
        broken.batch(3)
    assert len(broken.batch(4)) == 40


def test_a_stream_that_rests_makes_no_batches_and_can_go_on():
    task = Slow()
    task.seconds = 0.2
    resting = stream(task)
    resting.batch(0)
    resting.rest()
    time.sleep(0.7)
    assert task.makes <= 2, "the one that was begun, and not the next"
    assert torch.equal(resting.batch(1).index, stream(Digits()).batch(1).index)
