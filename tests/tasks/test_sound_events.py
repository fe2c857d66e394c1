"""Sound events: labels at the right frames, picture and labels moved together, clips as units, an answer a frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.draw import Draw
from kdbench.contract.task import batches
from kdbench.models.audio import FRAMECNN, FrameCnnConfig
from kdbench.tasks.data.made import sounds
from kdbench.tasks.sound_events import SoundEvents, shifted
from kdbench.tasks.tagging import SoundsConfig


@pytest.fixture(scope="module")
def task() -> SoundEvents:
    return SoundEvents(SoundsConfig(size="small"))


def test_labels_are_on_between_onset_and_offset(task: SoundEvents) -> None:
    events, labels = sounds.events("val", 300), task.data("val").fields["label"].numpy()
    expected = np.zeros_like(labels)
    for clip, tag, onset, duration in zip(events.clip, events.tag, events.onset, events.duration, strict=True):
        for frame in range(26):
            if onset <= 0.04 * frame < onset + duration:
                expected[clip, frame, tag] = 1
    assert labels.shape == (300, 26, 10) and np.array_equal(labels, expected)
    assert np.array_equal(labels.max(1), events.labels())  # each sound lasts longer than a frame


def test_what_shifts_in_is_silence() -> None:
    values = torch.arange(1.0, 9).reshape(2, 4)
    assert shifted(values, torch.tensor([1, -2]), 1).tolist() == [[0, 1, 2, 3], [7, 8, 0, 0]]


def test_picture_and_labels_move_together(task: SoundEvents) -> None:
    """A picture that marks its own labels still marks them after any view."""
    batch = batches(task.data("train"), 64, view=3)[0]
    marks = batch["label"].max(-1).values.repeat_interleave(2, 1)[:, None, None, :51].expand(-1, 1, 32, -1)
    seen = task.augment("shift_mask", batch.with_(image=10 * marks), Draw(5))
    on = seen["label"].max(-1).values.repeat_interleave(2, 1)[:, :51]
    energy = seen["image"][:, 0].amax(1) > 5
    assert not (energy & (on == 0)).any()  # blanks may hide what is on; nothing may sound where nothing is labelled
    assert energy.sum() > 0.6 * on.sum()
    assert not torch.equal(on, batch["label"].max(-1).values.repeat_interleave(2, 1)[:, :51])


def test_decisions_are_frames_and_clips_are_units(task: SoundEvents) -> None:
    values = torch.randn(3, 26, 10)
    said = task.decide(values, Batch({"label": task.data("val").fields["label"][:3]}, torch.arange(3), torch.zeros(3).long()))
    assert said.count == 78 and said.grid == (3, 1, 26) and torch.equal(said.maps()[1, :, 0, 7], values[1, 7])

    def answer(batch: Batch) -> Outputs:
        return Outputs(batch["label"] * 2 - 1, {})

    found = task.evaluate(answer, "val")
    assert found["logits"].shape == (300 * 26, 10) and found["blocks"].tolist()[:27] == [0] * 26 + [1]
    assert np.array_equal(found["logits"] > 0, found["labels"] > 0)


def test_the_network_answers_each_frame(task: SoundEvents) -> None:
    sizes = {}
    for size in ("large", "small"):
        net = FRAMECNN.build(task.facts, FrameCnnConfig(size=size))
        values, taps = net.forward_taps(torch.randn(2, 1, 32, 51))
        assert values.shape == (2, 26, 10) and taps["stage4"].shape[3] == 26 and taps["embedding"].dim() == 2
        sizes[size] = sum(p.numel() for p in net.parameters())
    assert sizes == {"large": 47_194, "small": 6_252}
