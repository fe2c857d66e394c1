"""GTA5 as it is unpacked: images/ and labels/ of one numbering, all of them a source; labels with a palette, or in colours."""

from __future__ import annotations

import re
from pathlib import Path

from kdbench.tasks.data.photos.image_tree import files_of
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.label_files import Writing
from kdbench.tasks.data.scenes.label_maps import COLOURS
from kdbench.tasks.data.scenes.scene_set import Layout, Tree, by_stem

NUMBER = re.compile(r"\d{5}")


def fits(folder: Path) -> bool:
    if not all((folder / name).is_dir() for name in ("images", "labels")):
        return False
    return any(NUMBER.fullmatch(path.stem) for path in (folder / "labels").glob("*.png"))


def read(folder: Path) -> Tree:
    """All pairs are for training: adaptation ignores the set's own split."""
    images, labels = (by_stem(files_of(folder / name), lambda path: path.stem) for name in ("images", "labels"))
    return Tree("Cityscapes ids", {"train": (images, labels)}, Writing(COLOURS))


LAYOUT = Layout(
    "gta5",
    "GTA5: 24,966 frames of a computer game with Cityscapes' classes, a source of domain adaptation",
    Place(
        "gta5",
        ("gta5", "GTA5", "gta"),
        "images/00001.png … and labels/00001.png …",
        "the archives of images and of labels from the page of Playing for Data (TU Darmstadt), all into one folder",
    ),
    fits,
    read,
    {"train": 24_966},
)
