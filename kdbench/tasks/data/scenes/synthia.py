"""SYNTHIA-RAND-CITYSCAPES as it is unpacked: RGB/ and GT/LABELS/, whose class is in the first of three channels of 16 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos.image_tree import files_of
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.label_files import Writing, values
from kdbench.tasks.data.scenes.scene_set import Layout, Tree, by_stem

IMAGES, LABELS = "RGB", "GT/LABELS"


def fits(folder: Path) -> bool:
    return (folder / IMAGES).is_dir() and (folder / LABELS).is_dir()


def read(folder: Path) -> Tree:
    images, labels = (by_stem(files_of(folder / name), lambda path: path.stem) for name in (IMAGES, LABELS))
    writing = Writing(deep=True)
    first = next(iter(labels.values()), None)
    if first is not None and len(np.unique(values(first, writing))) == 1:
        raise DataError(f"{first}: one value in all pixels; a copy that kept the upper 8 of 16 bits has lost the classes")
    return Tree("SYNTHIA ids", {"train": (images, labels)}, writing)


LAYOUT = Layout(
    "synthia",
    "SYNTHIA-RAND-CITYSCAPES: 9,400 rendered street scenes with 16 of Cityscapes' 19 classes, a source of domain adaptation",
    Place(
        "synthia",
        ("synthia", "SYNTHIA", "RAND_CITYSCAPES", "synthia/RAND_CITYSCAPES"),
        "RGB/0000000.png … and GT/LABELS/0000000.png … (GT/COLOR is for looking at)",
        "SYNTHIA_RAND_CITYSCAPES.rar from synthia-dataset.net",
    ),
    fits,
    read,
    {"train": 9400},
)
