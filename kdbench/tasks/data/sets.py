"""The data sets that kdbench reads from a folder of yours, for `kdbench data`. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdbench.tasks.data import cifar, image_check, images, svhn
from kdbench.tasks.data.findings import Finding
from kdbench.tasks.data.place import Place


@dataclass(frozen=True)
class DataSet:
    """A set by name: what it is, where it is looked for, how a folder of it is checked, how a picture of it is made."""

    name: str
    what: str
    place: Place
    find: Callable[[str], Path]
    check: Callable[[Path], list[Finding]]
    sample: Callable[[Path, Path], None] | None = None


def _cifar(name: str, what: str) -> DataSet:
    return DataSet(
        name,
        what,
        cifar.FACTS[name].place,
        lambda root: cifar.find(name, root),
        lambda folder: image_check.cifar_findings(name, folder),
        lambda folder, path: image_check.cifar_sheet(name, folder, path),
    )


SETS = {
    found.name: found
    for found in (
        _cifar("cifar10", "CIFAR-10: 60,000 photographs of 32×32 in ten classes"),
        _cifar("cifar100", "CIFAR-100: 60,000 photographs of 32×32 in a hundred classes"),
        DataSet(
            "images",
            "any folder of images with one folder a class; Tiny-ImageNet as unpacked",
            images.PLACE,
            images.find,
            image_check.folder_findings,
            image_check.folder_sheet,
        ),
        DataSet(
            "svhn", "street view house numbers, a foreign distillation set", svhn.PLACE, svhn.find, image_check.svhn_findings
        ),
    )
}
