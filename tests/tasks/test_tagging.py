"""The sounds task: its loss, its views, its sets, its networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.task import batches
from kdbench.models.audio import TAGCNN, TagCnnConfig
from kdbench.tasks.data.audio.picture_looks import roll_mask
from kdbench.tasks.data.made import sounds
from kdbench.tasks.tagging import Sounds, SoundsConfig


@pytest.fixture(scope="module")
def task() -> Sounds:
    return Sounds(SoundsConfig(size="small"))


def views(task: Sounds, policy: str, size: int, view: int) -> Tensor:
    parts = batches(task.data("train"), size, view)[: 128 // size]
    return torch.cat([task.augment(policy, part, Draw(7))["image"] for part in parts])


def test_loss_equals_numpy(task: Sounds) -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(0, 4, (9, 10)), (rng.random((9, 10)) < 0.3).astype(float)
    batch = Batch({"label": torch.tensor(labels)}, torch.arange(9), torch.zeros(9, dtype=torch.long))
    p = 1 / (1 + np.exp(-values))
    expected = -(labels * np.log(p) + (1 - labels) * np.log(1 - p)).sum() / labels.size
    decisions = task.decide(torch.tensor(values), batch)
    assert task.loss(decisions).item() == pytest.approx(expected, rel=1e-12)
    half = decisions.but(valid=torch.arange(9) < 4)
    kept = -(labels * np.log(p) + (1 - labels) * np.log(1 - p))[:4].mean()
    assert task.loss(half).item() == pytest.approx(kept, rel=1e-12)


def test_loss_without_labels_is_refused(task: Sounds) -> None:
    batch = Batch({}, torch.arange(2), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="needs labels"):
        task.loss(task.decide(torch.zeros(2, 10), batch))


def test_pictures_are_at_the_level_of_version_1(task: Sounds) -> None:
    train, level = task.data("train"), task.describe()["level"]
    assert train.fields["image"].shape == (600, 1, *task.facts.size)
    assert train.fields["image"].mean().item() == pytest.approx(0, abs=1e-4)
    assert train.fields["image"].std().item() == pytest.approx(1, abs=1e-4)
    assert level == pytest.approx({"mean": -2.1559, "deviation": 2.3418}, abs=1e-4)
    means = task.data("test").fields["image"][:4].mean((1, 2, 3)).tolist()
    assert means == pytest.approx([1.57728, 0.37769, 0.69975, -0.78226], abs=1e-4)


def test_small_clips_are_the_first_of_the_full_set(task: Sounds) -> None:
    full = Sounds()
    assert {name: len(full.data(name)) for name in ("train", "val", "test")} == {"train": 1200, "val": 300, "test": 600}
    assert torch.equal(full.data("train").fields["label"][:600], task.data("train").fields["label"])


def test_views_are_the_same_at_any_batch_size_and_differ_between_views(task: Sounds) -> None:
    assert torch.equal(views(task, "roll_mask", 1, 3), views(task, "roll_mask", 64, 3))
    assert not torch.equal(views(task, "roll_mask", 64, 3), views(task, "roll_mask", 64, 4))
    assert torch.equal(views(task, "none", 64, 3), task.data("train").fields["image"][:128])


def test_roll_mask_equals_numpy() -> None:
    """Clip by clip from the same uniforms, extremes included."""
    rng = np.random.default_rng(1)
    u = np.concatenate([rng.random((60, 6)), np.zeros((1, 6)), np.full((1, 6), 1 - 2.0**-24)]).astype(np.float32)
    image = rng.normal(size=(len(u), 1, 32, 51)).astype(np.float32)
    got = roll_mask(torch.from_numpy(image), torch.from_numpy(u)).numpy()
    widths = set()
    for picture, draw, view in zip(image, u, got, strict=True):
        expected = np.roll(picture[0], int(draw[0] * 31) - 15, axis=1) + np.float32(0.6) * (2 * draw[1] - 1)
        wide, high = int(draw[2] * 11), int(draw[4] * 7)
        left, low = int(draw[3] * np.float32(52 - wide)), int(draw[5] * np.float32(33 - high))
        expected[:, left : left + wide] = 0
        expected[low : low + high] = 0
        assert np.array_equal(view[0], expected) or np.abs(view[0] - expected).max() < 1e-6
        assert left + wide <= 51 and low + high <= 32
        widths.add((wide, high))
    assert {wide for wide, _ in widths} == set(range(11)) and {high for _, high in widths} == set(range(7))


@pytest.mark.parametrize(("size", "count"), [("large", 79_866), ("small", 12_082), ("tiny", 3_166)])
def test_networks(task: Sounds, size: str, count: int) -> None:
    backbone = TAGCNN.build(task.facts, TagCnnConfig(size=size)).eval()
    assert sum(p.numel() for p in backbone.parameters()) == count
    outputs = task.net(TAGCNN, backbone)(batches(task.data("val"), 4)[0])
    assert outputs.values.shape == (4, 10)
    assert tuple(outputs.taps) == TAGCNN.taps
    assert [tuple(outputs.taps[f"stage{k}"].shape[2:]) for k in (1, 2, 3, 4)] == [(16, 26), (8, 13), (4, 7), (2, 4)]
    assert torch.equal(outputs.values, backbone.head(outputs.taps["embedding"]))


def test_declarations_fit_together(task: Sounds) -> None:
    assert set(task.roles.values()) <= set(task.sets)
    for player in task.pair.values():
        TAGCNN.Config(**player["params"])
        assert player["model"] == TAGCNN.name
    for policy in task.augments:
        assert views(task, policy, 64, 0).shape == (128, 1, 32, 51)


def test_pictures_and_labels_belong_together(task: Sounds) -> None:
    """A few epochs suffice to rank the tags of unseen clips far above chance."""
    torch.manual_seed(0)
    net = task.net(TAGCNN, TAGCNN.build(task.facts, TagCnnConfig(size="small")))
    optimiser = torch.optim.AdamW(net.parameters(), lr=6e-3)
    for _ in range(6):
        for batch in batches(task.data("train"), 64):
            optimiser.zero_grad()
            task.loss(task.decide(net(batch).values, batch)).backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        outputs = task.evaluate(net, "test")
    assert outputs["logits"].shape == outputs["labels"].shape == (300, 10) and outputs["logits"].dtype == np.float32
    on, off = (outputs["logits"][outputs["labels"] == side] for side in (1, 0))
    assert (on[:, None] > off).mean() > 0.7


def test_describe_and_sample(task: Sounds, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = task.describe()
    assert told["sizes"] == {"train": 600, "val": 300, "test": 300} and list(told["tags"]) == list(sounds.TAGS)
    task.sample(tmp_path / "sounds.wav")
    wave, rate = soundfile.read(tmp_path / "sounds.wav")
    assert rate == 8000 and len(wave) == 8 * int(1.3 * rate) and 0.8 < np.abs(wave).max() < 1
    lines = capsys.readouterr().out.splitlines()
    heard = [[tag for tag, there in zip(sounds.TAGS, hot) if there] for hot in sounds.events("train", 8).labels()]
    assert [line.split("s  ")[1].split(", ") for line in lines] == heard
