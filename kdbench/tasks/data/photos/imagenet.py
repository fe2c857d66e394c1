"""ImageNet as it is unpacked: train/<wnid>/, and val/ in folders or flat, with its classes from the devkit, a list, or Kaggle.

A class's number is the rank of its wnid among the folders of train/. The devkit numbers its classes in another order, and a list
of labels may have been made with either: where the classes are ILSVRC 2012's own, two images of known class tell.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import csv_rows, lines
from kdbench.tasks.data.photos.image_tree import ANNOTATIONS, Tree, classes_of, files_of, is_image, labelled
from kdbench.tasks.data.photos.imagenet_devkit import truth, wnids

WNID = re.compile(r"n\d{8}")
LIST = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"  # sha256 of the 1,000 wnids, sorted, one a line
KNOWN = {"ILSVRC2012_val_00000001": 65, "ILSVRC2012_val_00000293": 0}  # classes of images, by the rank of the wnid
MAPS = ("val_map.txt", "val.txt", "meta/val.txt", "caffe_ilsvrc12/val.txt")
KAGGLE, SOLUTION = "ILSVRC/Data/CLS-LOC", "LOC_val_solution.csv"
Told = Mapping[str, tuple[str, int]]  # image without its ending -> where that is said, class


def is_published(classes: Sequence[str]) -> bool:
    """Whether these are the 1,000 classes of ILSVRC 2012."""
    return hashlib.sha256("\n".join(classes).encode()).hexdigest() == LIST


def _images_of(folder: Path) -> Path:
    """Where train/ and val/ lie."""
    return folder / KAGGLE if (folder / SOLUTION).is_file() else folder


def fits(folder: Path) -> bool:
    """Classes named by wnid, and a val/ that is the test: a test/ without folders is the challenge's, without classes."""
    base = _images_of(folder)
    train, val, test = (base / name for name in ("train", "val", "test"))
    if not train.is_dir() or not val.is_dir() or (test.is_dir() and classes_of(test)) or (val / ANNOTATIONS).exists():
        return False
    names = classes_of(train)
    return bool(names) and all(WNID.fullmatch(name) for name in names)


def read(folder: Path) -> Tree:
    """The training images, and the validation images as the test."""
    base = _images_of(folder)
    classes = tuple(classes_of(base / "train"))
    how, test = _held_out(folder, base / "val", classes)
    return Tree(f"ImageNet, {how}", classes, {"train": labelled(base / "train", classes, complete=True), "test": test})


def _held_out(folder: Path, val: Path, classes: Sequence[str]) -> tuple[str, tuple[list[Path], np.ndarray]]:
    """What the labels of val/ were found in, its files and their classes."""
    if classes_of(val):
        return "val/ in folders", labelled(val, classes, complete=False)
    if (folder / SOLUTION).is_file():
        how, told = f"flat val/ with Kaggle's {SOLUTION}", _by_solution(folder / SOLUTION, classes)
    elif devkit := _devkit(folder):
        how, told = f"flat val/ with the devkit in {devkit.relative_to(folder)}", _by_devkit(devkit, classes)
    elif found := next((path for name in MAPS for path in (folder / name, val / name) if path.is_file()), None):
        how, told = f"flat val/ with {found.relative_to(folder)}", _by_map(found, classes)
    else:
        raise DataError(
            f"{val}: its images lie there without classes. Put one of these beside train/ and val/: the devkit "
            f"(ILSVRC2012_devkit_t12/data/meta.mat and its ground truth), {MAPS[0]} (lines: file, number of the class), "
            f"Kaggle's {SOLUTION}; or put them into folders named as in train/"
        )
    return how, _joined(val, told, is_published(classes))


def _joined(val: Path, told: Told, published: bool) -> tuple[list[Path], np.ndarray]:
    """The files of val/ with their classes: each has one, and none is missing."""
    files = {path.stem: path for path in files_of(val)}
    for name, path in files.items():
        if name not in told:
            raise DataError(f"{path}: nothing is said of its class in {next(iter(told.values()))[0].rpartition(':')[0]}")
    for name, (place, _) in told.items():
        if name not in files:
            raise DataError(f"{place}: {name} is not in {val}")
    for name, label in KNOWN.items():
        if published and name in told and told[name][1] != label:
            place, found = told[name]
            raise DataError(
                f"{place}: {name} has class {found}, expected {label}: these labels are not in the order of the wnids"
            )
    return [files[name] for name in files], np.array([told[name][1] for name in files], np.int64)


def _by_devkit(data: Path, classes: Sequence[str]) -> Told:
    """Line i of the ground truth is the devkit's own number of image i's class; its wnid's rank is what counts."""
    known, rank = wnids(data / "meta.mat"), {name: at for at, name in enumerate(classes)}
    found = {}
    for place, at, number in truth(data):
        wnid = known.get(number)
        if wnid is None:
            raise DataError(f"{place}: {number} is no class of meta.mat, which has {len(known):,}")
        found[f"ILSVRC2012_val_{at:08d}"] = place, _rank(place, wnid, rank)
    return found


def _by_map(path: Path, classes: Sequence[str]) -> Told:
    """Lines of a file's name and the number of its class, from 0."""
    found: dict[str, tuple[str, int]] = {}
    for at, (name, number) in lines.columns(path, 2, "a file and the number of its class", separator=None):
        place, label = f"{path}:{at}", lines.integer(number, path, at, "class")
        if not 0 <= label < len(classes):
            raise DataError(f"{place}: class {label}, expected 0 to {len(classes) - 1}: train/ has {len(classes):,} classes")
        _add(found, place, name, label)
    return _some(found, path)


def _by_solution(path: Path, classes: Sequence[str]) -> Told:
    """Kaggle's list: an image, and its boxes, of which the first one's wnid is the class."""
    rank = {name: at for at, name in enumerate(classes)}
    found: dict[str, tuple[str, int]] = {}
    for place, row in csv_rows.with_header(path, ("ImageId", "PredictionString")):
        wnid = row["PredictionString"].split(" ", 1)[0]
        _add(found, place, row["ImageId"], _rank(place, wnid, rank))
    return _some(found, path)


def _rank(place: str, wnid: str, rank: Mapping[str, int]) -> int:
    if wnid not in rank:
        raise DataError(f"{place}: class {wnid!r} is none of train/")
    return rank[wnid]


def _add(found: dict[str, tuple[str, int]], place: str, name: str, label: int) -> None:
    stem = Path(name).stem if is_image(name) else name
    if stem in found:
        raise DataError(f"{place}: {stem} has a class already, from {found[stem][0]}")
    found[stem] = place, label


def _some(found: dict[str, tuple[str, int]], path: Path) -> Told:
    if not found:
        raise DataError(f"{path}: empty, expected one line for each image of val/")
    return found


def _devkit(folder: Path) -> Path | None:
    """The devkit's data folder, wherever it was unpacked."""
    bases = (folder / "ILSVRC2012_devkit_t12", folder / "devkit", folder)
    return next((base / "data" for base in bases if (base / "data" / "meta.mat").is_file()), None)
