"""Any set of images in files, in one of the known layouts: read in an order of its own content, decoded once into a cache."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache, canonical, meant
from kdbench.tasks.data.meant import Meant
from kdbench.tasks.data.photos import image_files, image_layouts, image_tree
from kdbench.tasks.data.place import Place

PLACE = Place(
    "images",
    ("images",),
    "folders train/<class>/ and test/<class>/ (or val/) of images; <class>/ alone, of which a fifth becomes the test; images.csv "
    "with the columns path, label and, if you like, split; ImageNet or Tiny-ImageNet as unpacked",
    "put your images into one of these layouts, or name their folder by `root`",
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
    looked = PLACE.candidates(root)
    fits = image_layouts.fits if any(map(image_layouts.fits, looked)) else image_layouts.fits_at_last
    if not any(map(fits, looked)) and (half := next(filter(image_tree.lacks_test, looked), None)):
        raise DataError(
            f"{half}: it has train/, and beside it no test/ (or val/). Put what is to be tested on there, or name train/ itself "
            f"as the root ({half / 'train'}): then a fifth of every class, chosen by content, is the test"
        )
    return PLACE.find(fits, root)


def splits(folder: Path) -> Iterator[tuple[str, str, str]]:
    """path, label and split of every image, in canonical order: what images.csv says to have the same splits again."""
    found = listed(folder)
    for split, files in found.files.items():
        for path, label in zip(files, found.labels[split].tolist(), strict=True):
            yield path.relative_to(folder).as_posix(), found.classes[label], split


class Rows(NamedTuple):
    """Files of one split with their labels and digests."""

    files: list[Path]
    labels: np.ndarray
    marks: np.ndarray

    def ordered(self) -> Rows:
        return self.rows(canonical.order(self.marks, self.labels))

    def rows(self, some: np.ndarray) -> Rows:
        return Rows([self.files[row] for row in some], self.labels[some], self.marks[some])

    def divided(self) -> dict[str, Rows]:
        """Train, and the last ones as the test."""
        whole, rows = self.ordered(), np.arange(len(self.files))
        kept = int(len(rows) * (1 - TEST))
        return {"train": whole.rows(rows[:kept]), "test": whole.rows(rows[kept:])}


def _fingerprint(parts: Mapping[str, Rows]) -> str:
    return canonical.fingerprint((rows.marks, rows.labels) for rows in parts.values())


def _made(read: Mapping[str, Rows]) -> dict[str, Rows] | None:
    """The split that would be made of all these files, where theirs has its sizes: our own, put back as a list, must give the
    same rows in the same order, since a fingerprint stands for both."""
    if set(read) != {"train", "test"}:
        return None
    train, test = read["train"], read["test"]
    if len(train.files) != int((len(train.files) + len(test.files)) * (1 - TEST)):
        return None
    labels, marks = (np.concatenate([getattr(rows, name) for rows in (train, test)]) for name in ("labels", "marks"))
    return Rows(train.files + test.files, labels, marks).divided()


@functools.lru_cache(maxsize=4)
def listed(folder: Path) -> ImageSet:
    """The files and their digests; nothing is decoded."""
    tree = image_layouts.read(folder)
    read = {
        split: Rows(paths, labels, np.asarray(array_cache.digests(paths, folder)))
        for split, (paths, labels) in tree.splits.items()
    }
    parts = {split: rows.ordered() for split, rows in read.items()} if "test" in read else read["train"].divided()
    found = _fingerprint(parts)
    if (made := _made(read)) and _fingerprint(made) == found:
        parts = made
    return ImageSet(
        folder,
        tree.layout,
        tree.classes,
        {split: rows.files for split, rows in parts.items()},
        {split: rows.labels for split, rows in parts.items()},
        {split: rows.marks for split, rows in parts.items()},
        found,
    )


def load(root: str, content: str) -> ImageSet:
    """The images that are meant: those of the given fingerprint, and no others."""
    found = listed(find(root))
    meant.check(found.folder, found.fingerprint, content, "images")
    return found


def meant_by(task: str, params: Mapping[str, Any]) -> list[Meant]:
    root, content = params["root"], params["content"]
    return [Meant(lambda: find(root), lambda: load(root, content))]


def pixels(found: ImageSet, split: str, size: int, resize: int | None = None) -> np.ndarray:
    """uint8 [N,3,size,size], mapped from the cache."""
    return image_files.pixels(found.files[split], found.folder, size, resize=resize)
