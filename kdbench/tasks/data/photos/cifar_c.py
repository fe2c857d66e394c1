"""CIFAR-10-C and CIFAR-100-C as published: a file for each corruption, the test images five times, each time more corrupted.

Rows stand in the order of CIFAR's own test file. Arrays are read without pickles, so nothing in a file can run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.findings import Finding, against
from kdbench.tasks.data.place import Place

MAIN = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")  # meant for choices, so that the others stay a test
SEVERITIES, IMAGES = 5, 10_000
SHAPE = (SEVERITIES * IMAGES, 32, 32, 3)
CLASSES = {"cifar10c": 10, "cifar100c": 100}
LABELS = "labels.npy"
PLACES = {
    name: Place(
        name,
        (f"CIFAR-{classes}-C",),
        f"the files of CIFAR-{classes}-C: {LABELS} and {MAIN[0]}.npy, {MAIN[1]}.npy, …",
        f"Zenodo record {record}; unpack the archive",
    )
    for name, classes, record in (("cifar10c", 10, 2535967), ("cifar100c", 100, 3555552))
}


def find(name: str, root: str = "") -> Path:
    return PLACES[name].find(lambda folder: (folder / LABELS).is_file() and (folder / f"{MAIN[0]}.npy").is_file(), root)


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # a damaged or foreign file may fail in any way; a pickle is refused here
        raise DataError(f"{path}: no array of numbers: {error}") from None


def labels(name: str, folder: Path) -> np.ndarray:
    """int64 [10,000]: the classes of the test images. The file has them five times, or once."""
    path, classes = folder / LABELS, CLASSES[name]
    found = _array(path)
    if found.shape not in ((IMAGES,), (SEVERITIES * IMAGES,)) or found.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {found.dtype} {list(found.shape)}, expected {SEVERITIES * IMAGES:,} or {IMAGES:,} whole numbers"
        )
    wrong = np.flatnonzero((found < 0) | (found >= classes))
    if len(wrong):
        raise DataError(f"{path}: label {found[wrong[0]]} in row {wrong[0]} is not one of 0 to {classes - 1}")
    rounds = found.reshape(-1, IMAGES).astype(np.int64)
    if (rounds != rounds[0]).any():
        raise DataError(f"{path}: the labels of the {SEVERITIES} severities differ; they are the same images in the same order")
    return rounds[0]


def images(folder: Path, corruption: str, severity: int) -> np.ndarray:
    """uint8 [10,000,3,32,32]: the test images under a corruption, of severity 1 to 5."""
    path = folder / f"{corruption}.npy"
    found = _array(path)
    if found.shape != SHAPE or found.dtype != np.uint8:
        raise DataError(f"{path}: {found.dtype} {list(found.shape)}, expected uint8 {list(SHAPE)}")
    return found[(severity - 1) * IMAGES : severity * IMAGES].transpose(0, 3, 1, 2)


def findings(name: str, folder: Path) -> list[Finding]:
    """Which corruptions are there, and whether each file is what it should be."""
    counts = np.bincount(labels(name, folder), minlength=CLASSES[name])
    known = f"{IMAGES // CLASSES[name]:,} each"
    lines = [against("classes", f"{counts.min():,} each" if counts.min() == counts.max() else "not balanced", known)]
    for kind, names in (("corruptions", MAIN), ("extra ones", EXTRA)):
        there = [each for each in names if (folder / f"{each}.npy").is_file()]
        found = f"{len(there)} of {len(names)}"
        lines.append(against(kind, found, f"{len(names)} of {len(names)}") if names is MAIN else Finding(kind, found))
        for each in there:
            try:
                means = [float(images(folder, each, severity)[::20].mean()) for severity in (1, SEVERITIES)]
                lines.append(
                    Finding(each, f"mean pixel about {means[0]:.0f} at severity 1, {means[1]:.0f} at {SEVERITIES}", right=True)
                )
            except DataError as error:
                lines.append(Finding(each, str(error), right=False))
    return lines
