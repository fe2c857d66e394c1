"""CIFAR's files: read in every encoding, into one order from every layout; nothing in them is ever run, and damage is named."""

import pickle
from pathlib import Path

import cifar_files as files
import numpy as np
import pytest

from kdbench.contract.errors import DataError
from kdbench.tasks.data import canonical
from kdbench.tasks.data.photos import cifar, cifar_pickle

pytestmark = pytest.mark.usefixtures("own_cache")

RAN = []


class Attack:
    def __reduce__(self):
        return (RAN.append, ("ran",))


@pytest.mark.parametrize(("python", "keys"), [(2, bytes), (3, bytes), (3, str)])
def test_rows_are_planar_and_labels_their_own(tmp_path: Path, python: int, keys: type):
    pixels = np.zeros((3, 3, 32, 32), np.uint8)
    pixels[0, 0] = 255  # a red image
    pixels[1, 2, 0, 31] = 7
    files.data_file(tmp_path / "train", pixels, [5, 99, 0], "fine_labels", keys, python)
    images, labels = cifar_pickle.batch(tmp_path / "train", "fine_labels", 100)
    assert np.array_equal(images, pixels) and labels.tolist() == [5, 99, 0]


def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(tmp_path: Path):
    path = tmp_path / "train"
    marker = tmp_path / "ran"
    shell = b"cposix\nsystem\n(" + files.text(f"touch {marker}") + b"tR."
    evil = [
        pickle.dumps({b"data": Attack(), b"fine_labels": [1]}, protocol=2),
        b"\x80\x02" + shell,
        b"\x80\x02cbuiltins\neval\n(" + files.text("1/0") + b"tR.",
        b"\x80\x02cnumpy\nload\n(" + files.text(str(path)) + b"tR.",
        b"\x80\x02ckdbench.tasks.data.photos.cifar_pickle\nmd5\n.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + files.text(f"touch {marker}") + b"\x85R.",
        b"(S'touch " + str(marker).encode() + b"'\niposix\nsystem\n.",
    ]
    for content in evil:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"it was not (run|followed)") as told:
            cifar_pickle.batch(path, "fine_labels", 100)
        assert str(told.value).startswith(str(path))
    assert not RAN and not marker.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no CIFAR pickle"),
        (b"\x80\x02}(U\x04data", "no CIFAR pickle"),
        (b"\x80\x02r\xff\xff\xff\x7fN.", "no CIFAR pickle"),
        (b"\x89PNG\r\n", "no CIFAR pickle"),
        (b"\x80\x02]..", "holds no mapping"),
        (files.python2({"data": files.number(3)}), "has no 'fine_labels', only data"),
        (files.python2({"data": files.number(3), "fine_labels": files.python2_list([])}), "'data' is no array"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, told: str):
    path = tmp_path / "train"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told) as error:
        cifar_pickle.batch(path, "fine_labels", 100)
    assert str(error.value).startswith(str(path))


def test_wrong_labels_and_shapes_are_named(tmp_path: Path):
    path = tmp_path / "train"
    for pixels, labels, told in (
        (files.images(2), [1, 100], "label 100 of image 1 is not one of 0 to 99"),
        (files.images(2), [-1, 3], "label -1 of image 0"),
        (files.images(2), [1], "2 images and 1 labels"),
        (files.images(2)[:, :, :31], [1, 2], r"shape \(2, 2976\)"),
    ):
        files.data_file(path, pixels, labels, "fine_labels")
        with pytest.raises(DataError, match=told):
            cifar_pickle.batch(path, "fine_labels", 100)
    shape = files.number(1) + files.number(3072)
    lying = files.python2_array(files.images(1).reshape(1, -1)).replace(shape, files.number(2) + files.number(3072))
    path.write_bytes(files.python2({"data": lying, "fine_labels": files.python2_list([files.number(1)] * 2)}))
    with pytest.raises(DataError, match=r"3072 bytes for an array of shape \(2, 3072\)"):
        cifar_pickle.batch(path, "fine_labels", 100)


def test_folders_and_pickles_are_one_set(tmp_path: Path):
    pickled = cifar.read("cifar100", files.cifar100(tmp_path / "cifar-100-python"))
    parts = {"train": pickled.train, "test": pickled.test}
    folder = cifar.read("cifar100", files.as_folders(tmp_path / "folders", parts, pickled.classes))
    assert (pickled.layout, folder.layout) == ("pickles", "image folders")
    assert folder.fingerprint == pickled.fingerprint and folder.classes == pickled.classes
    for one, other in ((pickled.train, folder.train), (pickled.test, folder.test)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other))


def test_labels_follow_the_names_where_a_file_has_them_in_another_order(tmp_path: Path):
    folder = files.cifar10(tmp_path / "cifar-10-batches-py")
    before = cifar.read("cifar10", folder)
    cifar.read.cache_clear()
    swapped = [files.text(name) for name in ["class1", "class0", *files.NAMES[10][2:]]]
    (folder / "batches.meta").write_bytes(files.python2({"label_names": files.python2_list(swapped)}))
    after = cifar.read("cifar10", folder)
    was = {mark.tobytes(): label for mark, label in zip(before.marks["train"], before.train.labels)}
    now = {mark.tobytes(): label for mark, label in zip(after.marks["train"], after.train.labels)}
    assert now == {mark: {0: 1, 1: 0}.get(label, label) for mark, label in was.items()}


def test_prefixes_are_balanced_and_order_is_that_of_the_content():
    rng = np.random.default_rng(3)
    images, labels = files.images(120), rng.permutation(np.repeat(np.arange(3), (60, 40, 20)))
    marks = canonical.digests(images)
    rows = canonical.order(marks, labels)
    assert sorted(rows) == list(range(120))
    for n in range(1, 121):
        counts = np.bincount(labels[rows[:n]], minlength=3)
        assert np.abs(counts - n * np.array([60, 40, 20]) / 120).max() <= 1
    shuffled = rng.permutation(120)
    again = canonical.order(marks[shuffled], labels[shuffled])
    assert np.array_equal(shuffled[again], rows)
    assert canonical.fingerprint([(marks, labels)]) == canonical.fingerprint([(marks[shuffled], labels[shuffled])])
    changed = labels.copy()
    changed[[0, 1]] = changed[[0, 1]] + 1 & 1
    assert canonical.fingerprint([(marks, labels)]) != canonical.fingerprint([(marks, changed)])
    one, other = (canonical.fingerprint([(marks, np.full(120, label))]) for label in (0, 1))
    assert one != other, "the same images in the same order, of another class"


def test_a_set_that_is_not_the_published_one_must_be_meant(tmp_path: Path):
    folder = files.cifar100(tmp_path / "data" / "cifar-100-python")
    with pytest.raises(DataError, match="200 training and 100 test images") as told:
        cifar.load("cifar100", str(tmp_path / "data"))
    found = cifar.read("cifar100", folder).fingerprint
    assert f"params: {{content: {found}}}" in str(told.value)
    assert cifar.load("cifar100", str(tmp_path / "data"), found).fingerprint == found
    with pytest.raises(DataError, match="not what param `content` says"):
        cifar.load("cifar100", str(tmp_path / "data"), "0" * 64)


def test_a_missing_set_says_where_it_is_expected_and_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(DataError, match=r"set KDBENCH_DATA .*train, test, meta.* unpack https://www\.cs\.toronto\.edu"):
        cifar.load("cifar100")
    monkeypatch.setenv("KDBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"it is not in {tmp_path} or in cifar-10-batches-py, .*data_batch_1"):
        cifar.load("cifar10")
    files.cifar10(tmp_path / "cifar-10-batches-py")
    assert cifar.find("cifar10") == tmp_path / "cifar-10-batches-py"


def test_images_of_another_size_are_refused(tmp_path: Path):
    tiny = np.zeros((1, 3, 16, 16), np.uint8), np.zeros(1, np.int64)
    folder = files.as_folders(tmp_path, {"train": tiny, "test": tiny}, ("a",))
    with pytest.raises(DataError, match="16×16 pixels, expected 32×32"):
        cifar.read("cifar100", folder)


def test_the_cache_is_made_once_and_made_anew_when_a_file_changes(tmp_path: Path, own_cache: Path):
    parts = {split: (files.images(10, seed), np.arange(10)) for split, seed in (("train", 1), ("test", 2))}
    folder = files.as_folders(tmp_path / "set", parts, tuple(files.NAMES[10]))
    first = cifar.read("cifar10", folder)
    made = {path: path.stat().st_mtime_ns for path in own_cache.rglob("*.npy")}
    cifar.read.cache_clear()
    assert cifar.read("cifar10", folder).fingerprint == first.fingerprint
    assert {path: path.stat().st_mtime_ns for path in own_cache.rglob("*.npy")} == made
    parts["test"][0][0] += 1
    files.as_folders(folder, parts, tuple(files.NAMES[10]))
    cifar.read.cache_clear()
    assert cifar.read("cifar10", folder).fingerprint != first.fingerprint
