"""Any set of images in files, in one of the known layouts: read in an order of its own content, decoded once into a cache."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.tasks.data import array_cache, canonical, meant
from kdbench.tasks.data.photos import image_files, image_layouts
from kdbench.tasks.data.place import Place

PLACE = Place(
    "images",
    ("images",),
    "folders train/<class>/ and test/<class>/ (or val/) of images; images.csv with the columns path, label and, if you like, "
    "split; ImageNet or Tiny-ImageNet as unpacked",
    "put your images there",
)

TEST = 0.2  # share of a set without a test that becomes one: the last ones in canonical order, so of every class and as if drawn


@dataclass(frozen=True, eq=False)
class ImageSet:
    """What a folder holds: files of each split in canonical order, their digests, and one fingerprint for all of it."""

    folder: Path
    layout: str
    classes: tuple[str, ...]
    files: dict[str, list[Path]]
    labels: dict[str, np.ndarray]
    marks: dict[str, np.ndarray]
    fingerprint: str


def find(root: str = "") -> Path:
    return PLACE.find(image_layouts.fits, root)


@functools.lru_cache(maxsize=4)
def listed(folder: Path) -> ImageSet:
    """The files and their digests; nothing is decoded."""
    tree = image_layouts.read(folder)
    files: dict[str, list[Path]] = {}
    labels: dict[str, np.ndarray] = {}
    marks: dict[str, np.ndarray] = {}
    for split, (paths, classes) in tree.splits.items():
        digests = np.asarray(array_cache.digests(paths, folder))
        rows = canonical.order(digests, classes)
        files[split], labels[split], marks[split] = [paths[row] for row in rows], classes[rows], digests[rows]
    if "test" not in files:
        kept = int(len(labels["train"]) * (1 - TEST))
        files["train"], files["test"] = files["train"][:kept], files["train"][kept:]
        for values in (labels, marks):
            values["train"], values["test"] = values["train"][:kept], values["train"][kept:]
    found = canonical.fingerprint((marks[split], labels[split]) for split in files)
    return ImageSet(folder, tree.layout, tree.classes, files, labels, marks, found)


def load(root: str, content: str) -> ImageSet:
    """The images that are meant: those of the given fingerprint, and no others."""
    found = listed(find(root))
    meant.check(found.folder, found.fingerprint, content, "images")
    return found


def pixels(found: ImageSet, split: str, size: int, resize: int | None = None) -> np.ndarray:
    """uint8 [N,3,size,size], mapped from the cache."""
    return image_files.pixels(found.files[split], found.folder, size, resize=resize)
