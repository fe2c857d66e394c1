"""Any folder of images with one folder a class: read in an order of its own content, decoded once into a cache."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import canonical, decoded, image_tree
from kdbench.tasks.data.place import Place

PLACE = Place(
    "images",
    ("images",),
    "folders train/<class>/ and test/<class>/ (or val/) of images, or Tiny-ImageNet as unpacked",
    "put your images there",
)


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
    return PLACE.find(image_tree.is_tree, root)


@functools.lru_cache(maxsize=4)
def listed(folder: Path) -> ImageSet:
    """The files and their digests; nothing is decoded."""
    tree = image_tree.read(folder)
    files, labels, marks = {}, {}, {}
    for split, (paths, classes) in tree.splits.items():
        digests = np.asarray(decoded.digests(paths, folder))
        rows = canonical.order(digests, classes)
        files[split] = [paths[row] for row in rows]
        labels[split], marks[split] = classes[rows], digests[rows]
    found = canonical.fingerprint((marks[split], labels[split]) for split in files)
    return ImageSet(folder, tree.layout, tree.classes, files, labels, marks, found)


def load(root: str, content: str) -> ImageSet:
    """The images that are meant: those of the given fingerprint, and no others."""
    found = listed(find(root))
    if found.fingerprint != content:
        what = "say which images are meant" if not content else f"these are not the images of param `content` ({content[:12]}…)"
        raise DataError(f"{found.folder}: {what}: params: {{content: {found.fingerprint}}}")
    return found


def pixels(found: ImageSet, split: str, size: int) -> np.ndarray:
    """uint8 [N,3,size,size], mapped from the cache."""
    return decoded.pixels(found.files[split], found.folder, size)
