"""The segmentation task: what a stream may see, how maps become decisions, and views that are functions of the draw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.draw import Draw
from kdbench.metrics import segmentation as metrics
from kdbench.models.dense import street_student, street_teacher
from kdbench.tasks.segmentation import IGNORE, Streets, StreetsConfig

SMALL = StreetsConfig(size="small")


@pytest.fixture(scope="module")
def task() -> Streets:
    return Streets(SMALL)


def batch_of(task: Streets, name: str, rows: torch.Tensor, views: torch.Tensor | None = None) -> Batch:
    return Batch(task.data(name).rows(rows), rows, torch.zeros_like(rows) if views is None else views)


def test_the_transfer_stream_has_no_labels_to_leak(task: Streets) -> None:
    batch = batch_of(task, task.roles["transfer"], torch.arange(4))
    with pytest.raises(KeyError, match="no field 'label', it has image"):
        batch["label"]
    labelled = batch_of(task, "target_labelled", torch.arange(4))
    assert torch.equal(labelled["image"], batch["image"]) and labelled["label"].shape == (4, 48, 64)
    assert task.roles["labelled"] == task.roles["teacher"] == "source"
    assert task.decide(torch.zeros(4, 8, 24, 32), batch).labels is None


@pytest.mark.parametrize("policy", Streets.augments)
@pytest.mark.parametrize("name", ["source", "target"])
def test_a_view_is_a_function_of_seed_view_and_sample(task: Streets, policy: str, name: str) -> None:
    rows, views = torch.arange(24), torch.arange(24) % 5
    draw = Draw(7)
    whole = task.augment(policy, batch_of(task, name, rows, views), draw)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    for part in order.split(7):
        piece = task.augment(policy, batch_of(task, name, rows[part], views[part]), Draw(7))
        for field, values in piece.fields.items():
            assert torch.equal(values, whole[field][part]), field
    changed = [
        task.augment(policy, batch_of(task, name, rows, views), Draw(8)),
        task.augment(policy, batch_of(task, name, rows, views + 1), draw),
    ]
    for other in changed:
        assert torch.equal(other["image"], whole["image"]) == (policy == "none")


@pytest.mark.parametrize("policy", ["flip", "moment", "jitter", "grey"])
def test_labels_are_mirrored_with_their_image(task: Streets, policy: str) -> None:
    plain = batch_of(task, "source", torch.arange(40))
    flipped = task.augment("flip", plain, Draw(3))
    mirrored = (flipped["image"] == plain["image"].flip(-1)).flatten(1).all(1)
    kept = (flipped["image"] == plain["image"]).flatten(1).all(1)
    assert torch.equal(mirrored, ~kept) and 8 < mirrored.sum() < 32
    expected = torch.where(mirrored[:, None, None], plain["label"].flip(-1), plain["label"])
    assert torch.equal(task.augment(policy, plain, Draw(3))["label"], expected)


def test_moment_gives_an_image_the_moments_of_a_target_image(task: Streets) -> None:
    shown = task.augment("moment", batch_of(task, "source", torch.arange(30)), Draw(3))["image"].double().numpy()
    goals = task.data("target").fields["image"].double().numpy()
    ours, theirs = (np.concatenate([x.mean((2, 3)), x.std((2, 3), ddof=1)], 1) for x in (shown, goals))
    distance = np.abs(ours[:, None] - theirs[None]).max(-1)
    assert distance.min(1).max() < 1e-4
    assert len(set(distance.argmin(1))) > 15, "each image should take after another target image"


def test_grey_has_no_hue_left_but_a_cast(task: Streets) -> None:
    """Channels of a grey view are multiples of each other but for the noise."""
    image = task.augment("grey", batch_of(task, "source", torch.arange(30)), Draw(3))["image"].flatten(2).numpy()
    plain = task.data("source").fields["image"][:30].flatten(2).numpy()
    correlation = [[np.corrcoef(each)[0, 2] for each in images] for images in (image, plain)]
    assert np.median(correlation[0]) > np.median(correlation[1]) + 0.05


def test_with_labels_decisions_have_the_labels_size(task: Streets) -> None:
    batch = batch_of(task, "source", torch.arange(3))
    values = torch.randn(3, 8, 24, 32)
    decisions = task.decide(values, batch)
    assert decisions.grid == (3, 48, 64) and decisions.count == 3 * 48 * 64
    maps = F.interpolate(values, (48, 64), mode="bilinear", align_corners=False)
    assert torch.equal(decisions.maps(), maps)
    assert torch.equal(decisions.values[48 * 64 + 5 * 64 + 9], maps[1, :, 5, 9])
    assert decisions.valid is not None and decisions.labels is not None
    valid = decisions.valid.view(3, 48, 64)
    assert valid[:, :46].all() and not valid[:, 46:].any()
    assert torch.equal(decisions.labels.view(3, 48, 64)[valid], batch["label"][valid].long())
    assert decisions.labels.max() < 8, "255 must not reach a method"


def test_without_labels_decisions_keep_the_grid_of_the_network(task: Streets) -> None:
    batch = batch_of(task, "target", torch.arange(3))
    values = torch.randn(3, 8, 24, 32)
    decisions = task.decide(values, batch)
    assert decisions.grid == (3, 24, 32) and torch.equal(decisions.maps(), values)
    coarser = task.decide(torch.randn(3, 8, 12, 16), batch)
    assert coarser.grid == decisions.grid, "a teacher of another stride decides on the same grid"


def test_loss_is_the_cross_entropy_of_the_labelled_pixels(task: Streets) -> None:
    batch = batch_of(task, "source", torch.arange(3))
    values = torch.randn(3, 8, 24, 32, dtype=torch.float64, requires_grad=True)
    loss = task.loss(task.decide(values, batch))
    stretched = F.interpolate(values, (48, 64), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(stretched, batch["label"].long(), ignore_index=IGNORE)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(x, values, retain_graph=True)[0] for x in (loss, expected)))


def test_a_batch_of_ignored_pixels_costs_nothing(task: Streets) -> None:
    batch = batch_of(task, "source", torch.arange(2))
    batch = batch.with_(label=torch.full_like(batch["label"], IGNORE))
    values = torch.randn(2, 8, 24, 32, requires_grad=True)
    loss = task.loss(task.decide(values, batch))
    loss.backward()
    assert loss.item() == 0 and values.grad is not None and not values.grad.any()


def test_no_loss_without_labels(task: Streets) -> None:
    with pytest.raises(ValueError, match="no"):
        task.loss(task.decide(torch.zeros(1, 8, 24, 32), batch_of(task, "target", torch.arange(1))))


def test_a_missing_class_is_ignored_in_the_source_and_only_there() -> None:
    task = Streets(StreetsConfig(size="small", missing=("pole",)))
    pole, whole = 5, Streets(SMALL)
    for name in ("source", "source_val"):
        before, after = (t.data(name).fields["label"] for t in (whole, task))
        assert torch.equal(after == IGNORE, (before == IGNORE) | (before == pole)) and not (after == pole).any()
    for name in ("target_labelled", "val", "test"):
        assert torch.equal(task.data(name).fields["label"], whole.data(name).fields["label"])
    with pytest.raises(ValueError, match="lamp"):
        StreetsConfig(missing=("lamp",))  # type: ignore[arg-type]


def test_small_is_the_beginning_of_full(task: Streets) -> None:
    for name in (*Streets.sets, "val", "test"):
        few, many = task.data(name), Streets().data(name)
        assert len(few) * 2 == len(many)
        assert all(torch.equal(values, many.fields[field][: len(few)]) for field, values in few.fields.items())


@pytest.mark.parametrize(("plugin", "parameters", "widths"), [
    (street_teacher, 126_768, (16, 32, 64, 24)),
    (street_student, 8_428, (8, 12, 16, 12)),
])  # fmt: skip
def test_networks_have_the_size_and_taps_that_they_say(task: Streets, plugin, parameters, widths) -> None:
    net = task.net(plugin, plugin.build(task.facts, plugin.Config())).eval()
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert f"{parameters:,}" in plugin.doc
    outputs = net(batch_of(task, "target", torch.arange(2)))
    assert outputs.values.shape == (2, 8, 24, 32)
    assert {name: tuple(tap.shape[1:]) for name, tap in outputs.taps.items()} == {
        "stage1": (widths[0], 24, 32), "stage2": (widths[1], 12, 16),
        "stage3": (widths[2], 6, 8), "embedding": (widths[3], 24, 32),
    }  # fmt: skip
    assert set(outputs.taps) == set(plugin.taps)
    torch.testing.assert_close(net.backbone.head(outputs.taps["embedding"]), outputs.values)
    assert net.backbone(torch.zeros(1, 3, 50, 70)).shape == (1, 8, 25, 35)


def test_raw_outputs_are_logits_at_stride_and_labels_at_full_size(task: Streets) -> None:
    """A forward that knows the labels' class shares must get the score that counting gives."""
    label = task.data("val").fields["label"]
    flat = torch.zeros(1, 8, 24, 32)
    flat[:, 4] = 1  # sky everywhere

    outputs = task.evaluate(lambda batch: Outputs(flat.expand(len(batch), -1, -1, -1)), "val")
    assert outputs["logits"].shape == (50, 8, 24, 32) and outputs["logits"].dtype == np.float32
    assert outputs["labels"].dtype == np.uint8 and np.array_equal(outputs["labels"], label.numpy())
    sky = ((label == 4).sum() / (label != IGNORE).sum()).item()
    assert metrics.truth(outputs)["miou"] == pytest.approx(sky / 8)
    assert metrics.truth(outputs)["pixel_accuracy"] == pytest.approx(sky)


def test_description_and_contact_sheet(task: Streets, tmp_path: Path) -> None:
    said = json.loads(json.dumps(task.describe()))
    assert said["sizes"] == {"source": 128, "target": 128, "target_labelled": 128, "source_val": 50, "val": 50, "test": 100}
    for shares in said["pixel_shares"].values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    task.sample(tmp_path / "streets.png")
    assert (tmp_path / "streets.png").read_bytes().startswith(b"\x89PNG")
