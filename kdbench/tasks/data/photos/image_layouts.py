"""Which of the known layouts a folder of images has: told by the files that are there, the most particular one first."""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos import image_csv, image_tree, imagenet

LAYOUTS = ((image_csv.fits, image_csv.read), (imagenet.fits, imagenet.read), (image_tree.is_tree, image_tree.read))


def fits(folder: Path) -> bool:
    return any(known(folder) for known, _ in LAYOUTS)


def read(folder: Path) -> image_tree.Tree:
    for known, reader in LAYOUTS:
        if known(folder):
            return reader(folder)
    raise DataError(f"{folder}: none of the layouts that are read: {image_csv.TABLE}, or train/ and test/ (or val/)")
