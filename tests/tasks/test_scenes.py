"""The task on files: what each set holds, views that are functions of the draw, held-out images, how a large set is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scene_files
import torch
from pydantic import ValidationError

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.metrics import segmentation as metrics
from kdbench.metrics.sampled import sampled
from kdbench.models.dense import street_student
from kdbench.tasks import maps
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.scenes import scene_layouts
from kdbench.tasks.data.scenes import scene_looks as looks
from kdbench.tasks.scene_params import ScenesConfig
from kdbench.tasks.scenes import Scenes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sets")
    scene_files.gta5(made / "gta5", 12)
    scene_files.cityscapes(made / "cityscapes", 10, 6)
    scene_files.camvid(made / "CamVid")
    scene_files.pairs(made / "source", {"train": 6}, source=True)
    scene_files.pairs(made / "target", {"train": 6, "test": 4}, labelled=("test",))
    return made


@pytest.fixture(autouse=True)
def _cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(array_cache.VARIABLE, str(root / "cache"))


def make(root: Path, source: str = "gta5", target: str | None = "cityscapes", **params) -> Scenes:
    own = source == target == "pairs"

    def content(layout: str, side: str) -> str:
        return scene_layouts.look(layout, root / side if own else scene_layouts.find(layout, str(root))).fingerprint

    given = {"source_content": content(source, "source"), "target_content": content(target, "target") if target else ""}
    return Scenes(ScenesConfig(source=source, target=target, root=str(root), **{"size": (48, 64), **given, **params}))


def batch_of(task: Scenes, name: str, rows: torch.Tensor) -> Batch:
    return Batch(task.data(name).rows(rows), rows, rows % 3)


def test_images_and_labels_are_those_that_were_written(root: Path) -> None:
    task = make(root)
    images, labels = scene_files.drawn("source", 12)
    rows = [int(stem) - 1 for stem in task.files.part("source")[1].stems]
    assert sorted(rows) == list(range(12))
    assert np.array_equal(task.data("source").fields["image"], images[rows].transpose(0, 3, 1, 2))
    assert np.array_equal(task.data("source").fields["label"], scene_files.numbered(labels, scene_files.TRAIN_IDS, 255)[rows])
    assert task.facts.outputs == 19 and len(task.data("val")) == 0 and len(task.data("test")) == 6


def test_the_same_scenes_in_every_writing_are_the_same(tmp_path: Path) -> None:
    images, labels = scene_files.drawn("source", 6)
    train = scene_files.numbered(labels, scene_files.TRAIN_IDS, 255)
    sixteen = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 9, 10, 11, 12, 255, 13, 255, 14, 15, *[255] * 237], np.uint8)
    colour, deep = scene_files.gta5(tmp_path / "c", 6, "colour"), scene_files.synthia(tmp_path / "d", 6)
    for layout, folder, first in (("gta5", colour, 1), ("synthia", deep, 0)):
        content = scene_layouts.look(layout, folder).fingerprint
        params = {"source_root": str(folder), "source_content": content, "space": "synthia16"}
        task = Scenes(ScenesConfig(source=layout, target="cityscapes", size=(48, 64), **params))
        rows = [int(stem) - first for stem in task.files.part("source")[1].stems]
        assert np.array_equal(task.data("source").fields["image"], images[rows].transpose(0, 3, 1, 2)), layout
        assert np.array_equal(task.data("source").fields["label"], sixteen[train][rows]), layout
        assert task.facts.outputs == 16


def test_what_is_distilled_has_no_labels_and_the_oracle_has(root: Path) -> None:
    task = make(root)
    with pytest.raises(KeyError, match="no field 'label', it has image"):
        batch_of(task, task.roles["transfer"], torch.arange(2))["label"]
    assert torch.equal(task.data("target").fields["image"], task.data("target_labelled").fields["image"])
    assert task.decide(torch.zeros(2, 19, 12, 16), batch_of(task, "target", torch.arange(2))).labels is None
    unlabelled = make(root, "pairs", "pairs", names=tuple("abcdefgh"))
    assert len(unlabelled.data("target")) == 6 and len(unlabelled.data("test")) == 4
    with pytest.raises(DataError, match="its training images have no labels, which set 'target_labelled' needs"):
        unlabelled.data("target_labelled")


def test_what_is_held_out_is_trained_on_by_nobody(root: Path) -> None:
    task = make(root, val=3, train=5, source_train=4, test=2)
    kept, val = (set(task.files.part(name)[1].stems) for name in ("target", "val"))
    assert (len(kept), len(val), len(task.data("test")), len(task.data("source"))) == (5, 3, 2, 4) and not kept & val
    alone = make(root, "cityscapes", None, val=3)
    assert not set(alone.files.part("source")[1].stems) & set(alone.files.part("val")[1].stems)
    assert alone.files.part("source")[1].stems == alone.files.part("target")[1].stems and len(alone.data("source")) == 7
    own = make(root, "camvid", None, val=3)  # it has a val of its own
    assert (len(own.data("source")), len(own.data("val")), len(own.data("test"))) == (8, 2, 6)
    with pytest.raises(DataError, match="10 training images, of which val: 9 are held out"):
        make(root, val=9).data("target")
    with pytest.raises(DataError, match="no labelled test or val images: it can only be a source"):
        make(root, "gta5", None).data("test")


@pytest.mark.parametrize("policy", Scenes.augments)
def test_a_view_is_a_function_of_seed_view_and_sample(root: Path, policy: str) -> None:
    task, rows = make(root, crop=(24, 32)), torch.arange(10)
    whole = task.augment(policy, batch_of(task, "source", rows), Draw(7))
    for part in (torch.tensor([9, 2, 5]), torch.tensor([0])):
        piece = task.augment(policy, batch_of(task, "source", part), Draw(7))
        assert all(torch.equal(values, whole[name][part]) for name, values in piece.fields.items())
    other = task.augment(policy, batch_of(task, "source", rows), Draw(8))
    assert torch.equal(other["image"], whole["image"]) == (policy == "none")
    assert whole["image"].dtype == torch.float32 and whole["image"].shape[-2:] == ((48, 64) if policy == "none" else (24, 32))


def test_a_label_is_cut_out_and_mirrored_with_its_image(root: Path) -> None:
    task, rows = make(root, crop=(24, 32)), torch.arange(12)
    plain = batch_of(task, "source", rows)
    marked = plain.with_(image=plain["label"][:, None].expand(-1, 3, -1, -1).contiguous())
    shown = task.augment("crop_flip", marked, Draw(3))
    assert torch.equal((shown["image"][:, 0] * 255).round().byte(), shown["label"])
    places = set()
    for row in rows.tolist():
        for mirrored in (False, True):
            label = shown["label"][row].flip(-1) if mirrored else shown["label"][row]
            found = plain["label"][row].unfold(0, 24, 1).unfold(1, 32, 1)  # every place of the cut-out
            places |= {(mirrored, *place) for place in (found == label).all(-1).all(-1).nonzero().tolist()}
    assert len(places) >= 12 and {mirrored for mirrored, *_ in places} == {False, True}
    largest = make(root, crop=(48, 64)).augment("crop_flip", plain, Draw(3))["label"]
    same = [bool((got == label).all() or (got == label.flip(-1)).all()) for got, label in zip(largest, plain["label"])]
    assert all(same), "the largest cut-out is all there is"


def test_every_place_is_cut_out_equally_often() -> None:
    u = torch.stack([torch.arange(250) / 250, torch.arange(249, -1, -1) / 250], 1)
    top, left = looks.corners(u, (48, 64), (24, 15))
    assert top.bincount().tolist() == [10] * 25 and left.bincount().tolist() == [5] * 50
    assert (top[0], left[0], top[-1], left[-1]) == (0, 49, 24, 0)
    assert looks.corners(torch.full((1, 2), 1 - 2**-24), (48, 64), (48, 63)) == (torch.tensor([0]), torch.tensor([1]))


def test_moment_gives_an_image_the_moments_of_a_target_image(root: Path) -> None:
    task = make(root)
    shown = task.augment("moment", batch_of(task, "source", torch.arange(12)), Draw(3))["image"].double()
    goals = task.data("target").fields["image"].double() / 255
    ours, theirs = (torch.cat([x.mean((2, 3)), x.std((2, 3))], 1) for x in (shown, goals))
    assert (ours[:, None] - theirs[None]).abs().amax(-1).min(1).values.max() < 1e-4


def test_nets_read_the_same_from_files_and_from_views(root: Path) -> None:
    task = make(root)
    normalise = task.prepare(street_student)
    assert normalise is not None
    batch = batch_of(task, "source", torch.arange(3))
    assert torch.allclose(normalise(batch["image"]), normalise(task.augment("none", batch, Draw(0))["image"]), atol=1e-6)


def answers(task: Scenes):
    """A net with logits at stride 4 that depend on the image alone."""
    weight = torch.randn(19, 3, 4, 4, generator=torch.Generator().manual_seed(0))

    def forward(batch: Batch) -> Outputs:
        return Outputs(torch.nn.functional.conv2d(batch["image"].float() / 64, weight, stride=4))

    return forward


def test_a_large_set_is_judged_as_a_small_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make(root, test_size=(96, 128))
    small = task.evaluate(answers(task), "test")
    assert small["labels"].shape == (6, 96, 128), "labels keep their size, logits are stretched to it"
    monkeypatch.setattr(Scenes, "large", 1000)
    monkeypatch.setattr(maps, "SAMPLED", 4)
    large = task.evaluate(answers(task), "test")
    assert sampled(large) and large["decisions"].dtype == np.uint8 and len(large["rows"]) == 4
    assert np.allclose(large["logits"], small["logits"][large["rows"]], atol=1e-5)
    one, other = metrics.truth(small), metrics.truth(large)
    assert one.keys() == other.keys()
    assert all(abs(one[name] - other[name]) < 1e-3 for name in ("miou", "pixel_accuracy", "mean_class_accuracy"))
    few = {"logits": small["logits"][large["rows"]], "labels": small["labels"][large["rows"]]}
    assert other["nll"] == pytest.approx(metrics.truth(few)["nll"], rel=1e-5) and other["nll"] != one["nll"]
    monkeypatch.setattr(maps, "MOST_PIXELS", 1000)
    with pytest.raises(DataError, match="test: 6 × 96 × 128 labelled pixels are more than the 1,000 that an evaluation can hold"):
        task.evaluate(answers(task), "test")


def test_nothing_is_said_of_a_val_that_is_not_held_out(root: Path) -> None:
    task = make(root)
    assert task.evaluate(answers(task), "val") == {}


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"crop": (64, 64)}, "crop .64, 64. is larger than the images"),
        ({"source_size": (60, 80)}, "source_size differs from size, so say what is cut out of both: crop"),
        ({"crop": (30, 32)}, "must be multiples of stride 4"),
        ({"names": ("a", "a")}, "a class is named twice"),
        ({"names": ("a", "b"), "palette": ((1, 2, 3),)}, "1 colours for 2 names"),
        ({"names": ("a", "b"), "palette": ((1, 2, 3), (1, 2, 3))}, "no colour twice"),
        ({"names": tuple(map(str, range(255)))}, "255 classes; a label file of 8 bits holds fewer than 255"),
        ({"void_colours": ((0, 0, 0),)}, "void_colours needs palette"),
    ],
)
def test_params_that_do_not_go_together(params: dict, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ScenesConfig(**{"size": (48, 64), **params})


def test_what_is_missing_is_told_and_the_rest_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDBENCH_DATA", raising=False)
    with pytest.raises(DataError, match=r"which classes the labels have is not said: params: \{names:"):
        _ = Scenes().facts
    assert "no place is given" in Scenes(ScenesConfig(source="gta5", target="cityscapes")).describe()["data"]


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = scene_files.gta5(tmp_path / "gta5", 3)
    image = folder / "images" / "00002.png"
    image.write_bytes(image.read_bytes()[:900])
    given = {"source_root": str(folder), "source_content": scene_layouts.look("gta5", folder).fingerprint}
    with pytest.raises(DataError, match=r"00002\.png: cannot be read as an image"):
        Scenes(ScenesConfig(source="gta5", target="cityscapes", size=(48, 64), **given)).data("source")


def test_the_sample_shows_both_domains(root: Path, tmp_path: Path) -> None:
    make(root).sample(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
