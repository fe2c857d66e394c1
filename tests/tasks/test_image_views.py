"""Views of whole images: parts as torchvision draws them, functions of sample and view alone, held-out images as usual."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from imagenet_files import base, picture
from PIL import Image

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos import full_images, image_files, images
from kdbench.tasks.images import Images
from kdbench.train.stream import Stream, ViewSpec

pytestmark = pytest.mark.usefixtures("own_cache")

CPU = torch.device("cpu")


def task(root: Path, **params) -> Images:
    found = images.listed(base(root, foldered=True) if not root.exists() else root)
    return Images(Images.Config(root=str(root), content=found.fingerprint, **{"size": 16, "views_from": "files", **params}))


def of(found: Images, batch: int, seed: int = 1, policy: str = "resized_crop") -> Stream:
    return Stream(found, "train", batch, seed, ViewSpec(policy, None, 3), CPU)


def theirs(size: tuple[int, int], u: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, int, int]:
    """(left, top, width, height) as torchvision has it on the same draws. It draws a place only for a part that fits."""
    transforms = pytest.importorskip("torchvision.transforms")
    drawn: list[float] = []
    for area, aspect, *place in u.reshape(-1, 4).tolist():
        pixels = size[0] * size[1] * (0.08 + 0.92 * area)
        ratio = math.exp((2 * aspect - 1) * math.log(4 / 3))
        fits = round(math.sqrt(pixels * ratio)) <= size[0] and round(math.sqrt(pixels / ratio)) <= size[1]
        drawn += [area, aspect, *(place if fits else ())]
    numbers = iter(drawn)
    with monkeypatch.context() as m:
        m.setattr(torch.Tensor, "uniform_", lambda self, low=0.0, high=1.0: self.fill_(low + (high - low) * next(numbers)))
        m.setattr(torch, "randint", lambda low, high, size, **_: torch.tensor([low + int(next(numbers) * (high - low))]))
        image = Image.new("RGB", size)
        top, left, high, wide = transforms.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))
    return left, top, wide, high


@pytest.mark.parametrize("size", [(500, 375), (300, 500), (64, 900), (900, 64), (7, 5)])
def test_a_part_is_the_one_that_torchvision_takes_on_equal_draws(size, monkeypatch: pytest.MonkeyPatch):
    for u in np.random.default_rng(size[0]).random((20, full_images.DRAWS)):
        left, top, wide, high = full_images.part(*size, 0.08, u)
        assert np.abs(np.subtract((left, top, wide, high), theirs(size, u, monkeypatch))).max() <= 1, "they draw in float32"
        assert left >= 0 and top >= 0 and left + wide <= size[0] and top + high <= size[1]


def test_parts_reach_the_edges_that_a_square_has_lost(tmp_path: Path):
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, :20] = 250  # no square of the centre sees it
    Image.fromarray(wide).save(tmp_path / "wide.png")
    u = np.random.default_rng(0).random((200, full_images.DRAWS))
    shown = np.stack([full_images.view(tmp_path / "wide.png", 8, 0.08, row) for row in u])
    assert image_files.decode(tmp_path / "wide.png", 8).max() == 0
    assert 0.1 < (shown.max((1, 2, 3)) > 100).mean() < 0.9


def test_a_view_is_a_function_of_sample_and_view_alone(tmp_path: Path):
    found = task(tmp_path / "set")
    whole, parts = of(found, 12), of(found, 5, seed=9)
    first, again = whole.batch(0), [parts.batch(step) for step in range(3)]
    for batch in again:
        for image, index, view in zip(batch["image"], batch.index.tolist(), batch.view.tolist(), strict=True):
            if view == 0:
                assert torch.equal(image, first["image"][first.index.tolist().index(index)])
    later = whole.batch(1)
    assert not torch.equal(first["image"][first.index.argsort()], later["image"][later.index.argsort()])
    assert set(first.fields) == {"image", "label"} and first["image"].shape == (12, 3, 16, 16)
    assert float(first["image"].min()) >= 0 and float(first["image"].max()) <= 1


def test_a_view_is_the_part_that_its_draw_says_mirrored_one_time_in_two(tmp_path: Path):
    found = task(tmp_path / "set")
    shown = of(found, 12)
    index, view = torch.arange(12), torch.arange(12) % 3
    batch = shown.show(index, view)
    u = shown.draw.uniform("part", view, index, full_images.DRAWS).numpy()
    mirrored = shown.draw.uniform("flip", view, index) < 0.5
    for row, path in enumerate(found._found.files["train"]):
        image = full_images.view(path, 16, 0.08, u[row]) / np.float32(255)
        assert (batch["image"][row].numpy() == (image[..., ::-1] if mirrored[row] else image)).all()
    assert 0 < int(mirrored.sum()) < 12


def test_files_and_squares_are_the_same_images_of_the_same_classes(tmp_path: Path):
    files, squares = task(tmp_path / "set"), task(tmp_path / "set", views_from="squares")
    for policy in ("none", "crop_flip", "jitter"):
        one, other = of(files, 12, policy=policy).batch(0), of(squares, 12, policy=policy).batch(0)
        assert torch.equal(one["label"], other["label"]) and torch.equal(one["image"], other["image"])
    assert not torch.equal(of(files, 12).batch(0)["image"], of(squares, 12).batch(0)["image"])
    assert files.facts == squares.facts and files.facts.size == (16, 16)


def test_held_out_images_are_resized_and_their_centre_taken(tmp_path: Path):
    found = task(tmp_path / "set", test_size=20, resize=24, val=3)
    test, val = found.data("test"), found.data("val")
    assert test.fields["image"].shape == (4, 3, 20, 20) and val.fields["image"].shape == (3, 3, 20, 20) and not test.ahead
    path = found._found.files["test"][0]
    side = Image.open(path).resize((32, 24), Image.Resampling.BILINEAR).crop((6, 2, 26, 22))
    assert (test.fields["image"][0].numpy().transpose(1, 2, 0) == np.asarray(side)).all()
    assert len(found.data("train")) == 9 and found.data("train").ahead
    assert (val.fields["label"].numpy() == found._found.labels["train"][-3:]).all()
    assert not len(task(tmp_path / "set").data("val"))
    with pytest.raises(ValueError, match=r"resize \(18\) is smaller than the part that is taken of it \(20\)"):
        Images.Config(test_size=20, resize=18)


def test_a_file_that_goes_bad_is_named_where_it_is_shown(tmp_path: Path):
    found = task(tmp_path / "set")
    path = found._found.files["train"][4]
    picture(path, 1)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=f"{path.name}: cannot be read as an image"):
        found.augment(
            "resized_crop", Batch(found.data("train").rows(torch.tensor([4])), torch.tensor([4]), torch.tensor([0])), Draw(1)
        )
