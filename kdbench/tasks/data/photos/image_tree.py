"""Folders of images, one folder a class: which classes there are, and which files of which split belong to them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import lines
from kdbench.tasks.data.named_files import plain

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
HELD_OUT = ("test", "val", "valid", "validation")
SPLITS = ("train", "training", "testing", *HELD_OUT)  # names of folders that are no class
TINY = "wnids.txt"
ANNOTATIONS = "val_annotations.txt"
UNSPLIT = "no splits: the last fifth by content is the test"


@dataclass(frozen=True)
class Tree:
    """Class names in the order of their labels, and for each split its files and their labels."""

    layout: str
    classes: tuple[str, ...]
    splits: dict[str, tuple[list[Path], np.ndarray]]


def is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def is_tree(folder: Path) -> bool:
    """A training folder and at least one held-out folder beside it."""
    return (folder / "train").is_dir() and any((folder / name).is_dir() for name in HELD_OUT)


def is_classes(folder: Path) -> bool:
    """Folders of images, one a class, and none of them a split."""
    names = classes_of(folder) if folder.is_dir() else []
    if any(name.lower() in SPLITS for name in names):
        return False
    return sum(any(is_image(entry.name) for entry in os.scandir(folder / name)) for name in names) > 1


def lacks_test(folder: Path) -> bool:
    """A training folder with nothing held out beside it."""
    return (folder / "train").is_dir() and not is_tree(folder)


def classes_of(folder: Path) -> list[str]:
    """The classes: sub-folders by name, sorted as text, so that '10' comes before '2'."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def files_of(folder: Path) -> list[Path]:
    """Every image under a folder, at any depth, in the order of their paths."""
    found = []
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here) / name for name in files if is_image(name)]
    return sorted(found)


def left_out(folder: Path) -> Counter[str]:
    """How many files below a folder are not read, by their ending, as a phone's .heic; hidden files are not counted."""
    found: Counter[str] = Counter()
    for _, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.update(Path(name).suffix.lower() or name for name in files if not is_image(name) and not name.startswith("."))
    return found


def labelled(folder: Path, classes: Sequence[str], complete: bool) -> tuple[list[Path], np.ndarray]:
    """The files of a split of one folder a class. Only the training split must have every class."""
    here = classes_of(folder)
    if not here:
        flat = any(is_image(entry.name) for entry in os.scandir(folder))
        how = "its images lie there without classes; put them into folders named as in train/" if flat else "it is empty"
        raise DataError(f"{folder}: expected one folder for each class, but {how}")
    unknown = sorted(set(here) - set(classes))
    if unknown:
        hint = f"; Tiny-ImageNet's raw val/ needs {ANNOTATIONS} beside its images" if unknown == ["images"] else ""
        raise DataError(f"{folder}: {', '.join(unknown[:3])} is no class of train/{hint}")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        own = files_of(folder / name) if name in here else []
        if not own and complete:
            raise DataError(f"{folder / name}: a class without an image ({', '.join(ENDINGS)})")
        files += own
        labels += [label] * len(own)
    return files, np.array(labels, np.int64)


def read(folder: Path) -> Tree:
    """The splits of a folder: train and test, and val where both are there. A lone val is what everybody reports: the test."""
    classes = tuple(classes_of(folder / "train"))
    splits = {"train": labelled(folder / "train", classes, complete=True)}
    if (folder / TINY).is_file():
        splits["test"] = _annotated(folder / "val", classes)
        return Tree("Tiny-ImageNet", classes, splits)
    held_out = [name for name in HELD_OUT if (folder / name).is_dir()]
    splits["test"] = labelled(folder / held_out[0], classes, complete=False)
    if len(held_out) > 1:
        splits["val"] = labelled(folder / held_out[1], classes, complete=False)
    return Tree(f"folders {', '.join(['train', *held_out[:2]])}", classes, splits)


def read_classes(folder: Path) -> Tree:
    """Folders of classes without splits: the test is made of them, by content (images.py)."""
    classes = tuple(classes_of(folder))
    return Tree(f"a folder for each class, {UNSPLIT}", classes, {"train": labelled(folder, classes, complete=True)})


def _annotated(folder: Path, classes: Sequence[str]) -> tuple[list[Path], np.ndarray]:
    """Tiny-ImageNet's labelled validation images: one flat folder, and a list of file, class and four corners."""
    path = folder / ANNOTATIONS
    number = {name: label for label, name in enumerate(classes)}
    files, labels = [], []
    for at, (name, wnid, *_) in lines.columns(path, 6, "file, class, four corners"):
        if wnid not in number:
            raise DataError(f"{path}:{at}: class {wnid!r} is none of train/")
        files.append(folder / "images" / plain(f"{path}:{at}", name))
        labels.append(number[wnid])
    return files, np.array(labels, np.int64)
