"""Your own images by a list: images.csv with the columns path and label, and split where you have one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import csv_rows
from kdbench.tasks.data.named_files import below
from kdbench.tasks.data.photos.image_tree import UNSPLIT, Tree

TABLE = "images.csv"
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def fits(folder: Path) -> bool:
    return (folder / TABLE).is_file()


def read(folder: Path) -> Tree:
    """The splits that the list names. Without that column all rows are one, and its last fifth becomes the test (images.py).

    Classes are the labels of the training rows, sorted as text; a lone val is the test, as in folders.
    """
    path = folder / TABLE
    rows: dict[str, list[tuple[str, Path, str]]] = {}
    seen: dict[Path, str] = {}
    for place, row in csv_rows.with_header(path, ("path", "label")):
        file, label = below(place, folder, "path", row["path"].strip()), row["label"].strip()
        if not label:
            raise DataError(f"{place}: label is empty")
        if file in seen:
            raise DataError(f"{place}: {row['path']} is there already, in {seen[file]}")
        seen[file] = place
        given = row.get("split", "train").strip().lower()
        if given not in SPLITS:
            raise DataError(f"{place}: split {row['split']!r}, expected train, val or test")
        rows.setdefault(SPLITS[given], []).append((place, file, label))
    if "train" not in rows:
        raise DataError(f"{path}: no row of the split train" if rows else f"{path}: no rows below its columns")
    if "test" not in rows and "val" in rows:
        rows["test"] = rows.pop("val")
    classes = tuple(sorted({label for _, _, label in rows["train"]}))
    number = {name: at for at, name in enumerate(classes)}
    for place, _, label in (row for split in rows.values() for row in split):
        if label not in number:
            raise DataError(f"{place}: label {label!r} is none of the training rows")
    splits: dict[str, tuple[list[Path], np.ndarray]] = {
        name: ([file for _, file, _ in rows[name]], np.array([number[label] for *_, label in rows[name]]))
        for name in ("train", "test", "val")
        if name in rows
    }
    named = ", ".join(splits) if "test" in splits else UNSPLIT
    return Tree(f"{TABLE} with {named}", classes, splits)
