"""CIFAR-10 and CIFAR-100 as downloaded (pickles) or as folders of images: the same arrays in the same order from either.

A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images. Technical report, University of Toronto, 2009.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import canonical
from kdbench.tasks.data.meant import Meant
from kdbench.tasks.data.photos import cifar_pickle, image_files, image_tree
from kdbench.tasks.data.photos.split import Split
from kdbench.tasks.data.place import Place

PUBLISHED = "published"
SIZE = 32


@dataclass(frozen=True)
class Known:
    """What is known of a published set, and the names of its files."""

    place: Place
    classes: int
    fingerprint: str
    label_key: str
    meta: tuple[str, str]  # file, key of the class names
    train: tuple[str, ...]
    test: str
    mean: tuple[float, float, float]  # of the training pixels / 255, measured over all of them
    std: tuple[float, float, float]
    md5: dict[str, str] = field(default_factory=dict)
    sizes: tuple[int, int] = (50_000, 10_000)


@dataclass(frozen=True, eq=False)
class Cifar:
    """A set as read: where from, class names in the order of the labels, and its splits in canonical order."""

    folder: Path
    layout: str
    classes: tuple[str, ...]
    train: Split  # of images 32×32
    test: Split
    fingerprint: str
    marks: dict[str, np.ndarray]  # split -> digests of its images, in the same order


KNOWN = {
    "cifar10": Known(
        place=Place(
            "CIFAR-10",
            ("cifar-10-batches-py", "cifar10", "cifar10/cifar-10-batches-py", "CIFAR-10"),
            "the files of cifar-10-python.tar.gz (data_batch_1 … 5, test_batch, batches.meta), or folders train/<class>/ and "
            "test/<class>/ of 32×32 images",
            "unpack https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz there",
        ),
        classes=10,
        fingerprint="053a588768a34b726fc4bb52f70056b61c5f4fdd4bf3d402294451b293b65b25",
        label_key="labels",
        meta=("batches.meta", "label_names"),
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        mean=(0.49139968, 0.48215841, 0.44653091),
        std=(0.24703223, 0.24348513, 0.26158784),
        md5={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
    ),
    "cifar100": Known(
        place=Place(
            "CIFAR-100",
            ("cifar-100-python", "cifar100", "cifar100/cifar-100-python", "CIFAR-100"),
            "the files of cifar-100-python.tar.gz (train, test, meta), or folders train/<class>/ and test/<class>/ "
            "of 32×32 images",
            "unpack https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz there",
        ),
        classes=100,
        fingerprint="159407f1f628a420fe268b3b8fa7587a8536d98743d23d351d202b4e2c8d52a6",
        label_key="fine_labels",
        meta=("meta", "fine_label_names"),
        train=("train",),
        test="test",
        mean=(0.50707516, 0.48654887, 0.44091784),
        std=(0.26733429, 0.25643846, 0.27615047),
        md5={
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "meta": "7973b15100ade9c7d40fb424638fde48",
        },
    ),
}


def is_pickled(known: Known, folder: Path) -> bool:
    return all((folder / name).is_file() for name in (*known.train, known.test, known.meta[0]))


def find(name: str, root: str = "") -> Path:
    known = KNOWN[name]
    return known.place.find(lambda folder: is_pickled(known, folder) or image_tree.is_tree(folder), root)


@functools.lru_cache(maxsize=4)
def read(name: str, folder: Path) -> Cifar:
    """Whatever set of this kind lies in a folder, published or not."""
    known = KNOWN[name]
    pickled = is_pickled(known, folder)
    classes, given = _pickles(known, folder) if pickled else _images(folder)
    splits: dict[str, Split] = {}
    marks: dict[str, np.ndarray] = {}
    for split, part in given.items():
        digests = canonical.digests(part.images)
        rows = canonical.order(digests, part.labels)
        splits[split], marks[split] = part.rows(rows), digests[rows]
    fingerprint = canonical.fingerprint((marks[split], part.labels) for split, part in splits.items())
    layout = "pickles" if pickled else "image folders"
    return Cifar(folder, layout, classes, splits["train"], splits["test"], fingerprint, marks)


def load(name: str, root: str = "", content: str = PUBLISHED) -> Cifar:
    """The published set, or the one of the given fingerprint. Anything else is refused: a result would be about other data."""
    known = KNOWN[name]
    found = read(name, find(name, root))
    wanted = known.fingerprint if content == PUBLISHED else content
    if found.fingerprint != wanted:
        sizes = f"{len(found.train.labels):,} training and {len(found.test.labels):,} test images"
        which = "not the published set" if content == PUBLISHED else f"not what param `content` says ({wanted[:12]}…)"
        raise DataError(
            f"{found.folder}: {sizes} with fingerprint {found.fingerprint}: {which}. `kdbench data check {name}` says what "
            f"differs; if these data are meant, say so: params: {{content: {found.fingerprint}}}"
        )
    return found


def meant_by(task: str, params: Mapping[str, Any]) -> list[Meant]:
    root, content = params["root"], params["content"]
    return [Meant(lambda: find(task, root), lambda: load(task, root, content))]


def _pickles(known: Known, folder: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    """As published. Labels follow the sorted names, as folders do; in the official files they are sorted already."""
    names = cifar_pickle.names(folder / known.meta[0], known.meta[1])
    if len(set(names)) != known.classes:
        raise DataError(f"{folder / known.meta[0]}: {len(set(names))} class names, expected {known.classes}")
    rank = np.argsort(np.argsort(np.array(names)))
    splits = {}
    for split, files in (("train", known.train), ("test", (known.test,))):
        batches = [cifar_pickle.batch(folder / name, known.label_key, known.classes) for name in files]
        images, labels = (np.concatenate(parts) for parts in zip(*batches))
        splits[split] = Split(images, rank[labels])
    return tuple(sorted(names)), splits


def _images(folder: Path) -> tuple[tuple[str, ...], dict[str, Split]]:
    tree = image_tree.read(folder)
    splits = {}
    for split in ("train", "test"):
        files, labels = tree.splits[split]
        splits[split] = Split(np.asarray(image_files.pixels(files, folder, SIZE, exact=True)), labels)
    return tree.classes, splits
