"""Any folder of images and label maps of the same names: flat, with the splits inside images/ and labels/, or around them."""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos.image_tree import files_of
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.scene_set import Layout, Tree, by_stem

LABELS = ("labels", "masks", "annotations")
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}


def _labels(folder: Path) -> Path | None:
    return next((folder / name for name in LABELS if (folder / name).is_dir()), None)


def _split(folder: Path, split: str) -> Path | None:
    return next((folder / name for name in SPLITS[split] if (folder / name).is_dir()), None)


def fits(folder: Path) -> bool:
    if (folder / "images").is_dir():
        return True
    train = _split(folder, "train")
    return train is not None and (train / "images").is_dir()


def _named(folder: Path | None) -> dict[str, Path]:
    """Files by their path under the folder, without the ending."""
    if folder is None or not folder.is_dir():
        return {}
    return by_stem(files_of(folder), lambda path: path.relative_to(folder).with_suffix("").as_posix())


def read(folder: Path) -> Tree:
    """Labels may be missing for a whole split: what is not labelled can still be a target."""
    splits: dict[str, tuple[dict[str, Path], dict[str, Path]]] = {}
    labels = _labels(folder)
    for split in SPLITS:
        around, inside = _split(folder, split), _split(folder / "images", split)
        if inside is not None:
            of_labels = None if labels is None else _split(labels, split)
            splits[split] = _named(inside), _named(of_labels)
        elif around is not None and (around / "images").is_dir():
            splits[split] = _named(around / "images"), _named(_labels(around))
    if not splits:
        splits["train"] = _named(folder / "images"), _named(labels)
    for split, (images, _) in splits.items():
        if not images:
            raise DataError(f"{folder}: {split}: no image")
    if "train" not in splits:
        raise DataError(f"{folder}: splits {', '.join(splits)}, but no train")
    return Tree("own numbers", splits)


LAYOUT = Layout(
    "pairs",
    "any folder of images and label maps of the same names, with your own classes",
    Place(
        "pairs",
        ("pairs",),
        "images/ and labels/ (or masks/), files of the same names; splits as images/train, labels/train or train/images, …",
        "put your images and labels there",
    ),
    fits,
    read,
)
