"""The CIFAR tasks: sets are what they say, unlabelled ones hold no label, what is held out stays out, a root is no identity."""

from pathlib import Path

import cifar_files as files
import numpy as np
import pytest
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.task import Samples
from kdbench.models.cifar_resnet import resnet8
from kdbench.tasks.cifar import Cifar10, Cifar100
from kdbench.tasks.data.photos import cifar

UNLABELLED = set(Cifar100.sets) - {"train", "labelled"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    files.cifar100(folder / "cifar-100-python", train=4)
    files.cifar10(folder / "cifar-10-batches-py", each=8)
    return folder


@pytest.fixture(scope="module")
def contents(root: Path) -> dict[str, str]:
    hundred, ten = (cifar.read(name, cifar.find(name, str(root))).fingerprint for name in ("cifar100", "cifar10"))
    return {"root": str(root), "content": hundred, "foreign": ten}


@pytest.fixture
def task(contents: dict[str, str]) -> Cifar100:
    return Cifar100(Cifar100.Config(**contents))


def rows(samples: Samples) -> set[bytes]:
    return {one.numpy().tobytes() for one in samples.fields["image"]}


def test_every_set_that_is_not_named_for_its_labels_has_none(task: Cifar100):
    for name in set(Cifar100.sets) - {"svhn"}:
        samples = task.data(name)
        assert ("label" in samples.fields) == (name not in UNLABELLED), name
        assert samples.fields["image"].dtype == torch.uint8 and samples.fields["image"].shape[1:] == (3, 32, 32), name


def test_parts_of_the_pool_are_its_beginnings_and_balanced(task: Cifar100):
    pool, labels = task.data("pool").fields["image"], task.data("train").fields["label"]
    assert torch.equal(pool, task.data("train").fields["image"]) and len(pool) == 400
    for name, start, end in (("pool_eighth", 0, 50), ("pool_quarter", 0, 100), ("half_a", 0, 200), ("half_b", 200, 400)):
        assert torch.equal(task.data(name).fields["image"], pool[start:end])
        assert end - start < 100 or labels[start:end].bincount(minlength=100).unique().numel() == 1
    assert not rows(task.data("half_a")) & rows(task.data("half_b"))


def test_foreign_sets(task: Cifar100):
    own, foreign = rows(task.data("pool")), rows(task.data("foreign"))
    assert len(foreign) == 400 and not own & foreign
    assert rows(task.data("extended")) == own | foreign and len(task.data("extended")) == 800
    scrambled, pool, noise = (task.data(name).fields["image"].flatten(2) for name in ("scrambled", "pool", "noise"))
    assert torch.equal(scrambled.sort(2).values, pool.sort(2).values) and not torch.equal(scrambled, pool)
    pairs = {tuple(pixel) for pixel in pool[0].T.tolist()}
    assert {tuple(pixel) for pixel in scrambled[0].T.tolist()} == pairs, "a pixel keeps its colour"
    assert abs(noise.float().mean() - 127.5) < 1 and noise.shape == pool.shape


def test_what_is_held_out_for_choices_is_in_no_other_set(contents: dict[str, str]):
    whole = Cifar100(Cifar100.Config(**contents))
    task = Cifar100(Cifar100.Config(**contents, val=100))
    val = task.data("val")
    assert len(whole.data("val")) == 0 and len(val) == 100 and len(task.data("train")) == 300
    assert val.fields["label"].bincount().unique().tolist() == [1]
    for name in ("train", "labelled", "pool", "half_a", "half_b"):
        assert not rows(val) & rows(task.data(name)), name
    assert rows(task.data("train")) | rows(val) == rows(whole.data("train"))
    assert torch.equal(task.data("train").fields["image"], whole.data("train").fields["image"][:300])


def test_a_part_of_the_set_is_a_balanced_beginning(contents: dict[str, str]):
    task = Cifar100(Cifar100.Config(**contents, train=200, test=50, labelled=100))
    whole = Cifar100(Cifar100.Config(**contents))
    for name, size in (("train", 200), ("labelled", 100), ("test", 50)):
        assert len(task.data(name)) == size
        assert torch.equal(
            task.data(name).fields["image"], whole.data("train" if name == "labelled" else name).fields["image"][:size]
        )


def test_nothing_is_evaluated_where_nothing_is_held_out(task: Cifar100):
    def forward(batch: Batch):
        return type("Out", (), {"values": torch.zeros(len(batch), 100)})

    assert task.evaluate(forward, "val") == {}
    outputs = task.evaluate(forward, "test")
    assert outputs["logits"].shape == (100, 100) and len(set(outputs["blocks"])) == 100
    assert np.array_equal(np.sort(outputs["labels"]), np.arange(100))


@pytest.mark.parametrize(("pixels", "low", "high"), [("unit", -1.0, 1.0), ("standard", -0.5071 / 0.2675, (1 - 0.5071) / 0.2675)])
def test_pixels_are_normalised_from_bytes_and_from_floats_alike(contents: dict[str, str], pixels: str, low: float, high: float):
    task = Cifar100(Cifar100.Config(**contents, pixels=pixels))
    normalise = task.prepare(resnet8)
    image = torch.tensor([0, 255, 51], dtype=torch.uint8).repeat(3, 1)[None, :, :, None]
    found = normalise(image)
    torch.testing.assert_close(found, normalise(image.float() / 255))
    torch.testing.assert_close(found[0, 0, :2, 0], torch.tensor([low, high]))


@pytest.mark.parametrize("policy", Cifar100.augments)
def test_a_view_is_a_function_of_sample_and_view(task: Cifar100, policy: str):
    image, draw = task.data("pool").fields["image"], Draw(5)
    index = torch.arange(len(image))
    view = torch.full_like(index, 2)
    whole = task.augment(policy, Batch({"image": image}, index, view), draw)["image"]
    some = torch.tensor([7, 3, 300])
    part = task.augment(policy, Batch({"image": image[some]}, some, view[some]), draw)["image"]
    torch.testing.assert_close(part, whole[some], atol=1e-6, rtol=1e-6)
    other = task.augment(policy, Batch({"image": image}, index, view + 1), draw)["image"]
    assert torch.equal(whole, other) == (policy == "none")
    assert whole.dtype == torch.float32 and whole.min() >= 0 and whole.max() <= 1
    assert image.dtype == torch.uint8 and torch.equal(image, task.data("pool").fields["image"])


def test_the_published_set_is_the_default_and_the_root_no_identity(contents: dict[str, str]):
    from kdbench.jobs.parts import task_identity, task_spec
    from kdbench.registry import Registry

    info = Registry(packages=False).task("cifar100")
    here, there = ({"params": {"root": place, "val": 100}} for place in ("/a", "/b"))
    assert task_identity(here, info) == task_identity(there, info) and "root" not in task_identity(here, info)["params"]
    assert task_spec(here, info)["params"] == here["params"]
    assert info.facts["fingerprint"] == f"sha256:{cifar.KNOWN['cifar100'].fingerprint}"
    assert "/a" not in Cifar100.Config(root="/a").model_dump_json()
    with pytest.raises(DataError, match="not the published set"):
        Cifar100(Cifar100.Config(root=contents["root"])).data("train")


def test_svhn_must_be_the_published_file(root: Path, contents: dict[str, str]):
    task = Cifar10(Cifar10.Config(**contents))
    with pytest.raises(DataError, match=r"SVHN: it is not in .*train_32x32\.mat"):
        task.data("svhn")
    (root / "svhn").mkdir()
    (root / "svhn" / "train_32x32.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(DataError, match="md5"):
        task.data("svhn")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "first"), [("cifar100", "apple"), ("cifar10", "airplane")])
def test_the_real_sets_are_what_is_known_of_them(name: str, first: str):
    """Needs KDBENCH_DATA."""
    from kdbench.tasks.data.photos import image_check

    try:
        folder = cifar.find(name)
    except DataError:
        pytest.skip("the real set is not under KDBENCH_DATA")
    found = {line.what: line for line in image_check.cifar_findings(name, folder)}
    assert all(found[what].right for what in ("train", "test", "mean RGB", "sd RGB", "fingerprint"))
    assert cifar.load(name).classes[0] == first
