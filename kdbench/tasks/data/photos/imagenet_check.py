"""A folder of ImageNet beside what is known of ILSVRC 2012."""

from __future__ import annotations

from pathlib import Path

from kdbench.tasks.data.findings import Finding, against
from kdbench.tasks.data.photos import image_check, imagenet, images
from kdbench.tasks.data.place import Place

SIZES = {"train": 1_281_167, "test": 50_000}
PLACE = Place(
    "imagenet",
    ("imagenet", "ImageNet", "ILSVRC2012"),
    "train/<wnid>/ and val/, in folders or flat with the devkit, a list of labels or Kaggle's LOC_val_solution.csv beside it",
    "image-net.org, whose terms you accept there; unpack the archives",
)


def find(root: str = "") -> Path:
    return PLACE.find(imagenet.fits, root)


def findings(folder: Path) -> list[Finding]:
    """What a look at any set of images finds, its classes and sizes beside the published ones."""
    found = images.listed(folder)
    published = imagenet.is_published(found.classes)
    classes = f"{len(found.classes):,}, {'those' if published else 'not all and only those'} of ILSVRC 2012"
    sizes = [against(f"{split} size", f"{len(found.labels[split]):,}", f"{known:,}") for split, known in SIZES.items()]
    return [against("classes", classes, "1,000, those of ILSVRC 2012"), *sizes, *image_check.folder_findings(folder)]
