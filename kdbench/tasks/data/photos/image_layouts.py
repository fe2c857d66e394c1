"""Which of the known layouts a folder of images has: told by the files that are there, the most particular one first."""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos import image_csv, image_tree, imagenet

LAYOUTS = ((image_csv.fits, image_csv.read), (imagenet.fits, imagenet.read), (image_tree.is_tree, image_tree.read))


def fits(folder: Path) -> bool:
    """A folder that says of itself what it is."""
    return any(known(folder) for known, _ in LAYOUTS)


def fits_at_last(folder: Path) -> bool:
    """What is read where nothing else is: folders with images in them, which a folder of many things may have too."""
    return image_tree.is_classes(folder)


def read(folder: Path) -> image_tree.Tree:
    for known, reader in (*LAYOUTS, (fits_at_last, image_tree.read_classes)):
        if known(folder):
            return reader(folder)
    raise DataError(
        f"{folder}: none of the layouts that are read: {image_csv.TABLE}, train/ and test/ (or val/), a folder for each class"
    )
