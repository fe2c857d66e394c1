"""The data sets that kdbench reads from a folder of yours, for `kdbench data`. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kdbench.tasks.data.audio import clip_check, clip_layouts
from kdbench.tasks.data.findings import Finding
from kdbench.tasks.data.photos import cifar, cifar_c, image_check, imagenet_check, images, svhn
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes import scene_check, scene_layouts
from kdbench.tasks.data.text import passage_check, passage_set


@dataclass(frozen=True)
class DataSet:
    """A set by name: what it is, where it is looked for, how a folder of it is checked, how a picture of it is made."""

    name: str
    what: str
    place: Place
    find: Callable[[str], Path]
    check: Callable[[Path], list[Finding]]
    sample: Callable[[Path, Path], None] | None = None
    splits: Splits | None = None
    task: str = ""  # that reads it, where that has another name


@dataclass(frozen=True)
class Splits:
    """Which sample is in which split, where that is made here, or is not plain from the files' places."""

    columns: tuple[str, ...]
    rows: Callable[[Path], Iterable[tuple[str, ...]]]


IMAGE_SPLITS = Splits(("path", "label", "split"), images.splits)
QUERY_SPLITS = Splits(("query", "split"), passage_check.splits)


def _cifar(name: str, what: str) -> DataSet:
    return DataSet(
        name,
        what,
        cifar.KNOWN[name].place,
        lambda root: cifar.find(name, root),
        lambda folder: image_check.cifar_findings(name, folder),
        lambda folder, path: image_check.cifar_sheet(name, folder, path),
    )


def _corrupted(name: str, what: str) -> DataSet:
    return DataSet(
        name, what, cifar_c.PLACES[name], lambda root: cifar_c.find(name, root), lambda folder: cifar_c.findings(name, folder)
    )


def _scenes(name: str) -> DataSet:
    layout = scene_layouts.LAYOUTS[name]
    return DataSet(
        name,
        layout.what,
        layout.place,
        lambda root: scene_layouts.find(name, root),
        lambda folder: scene_check.findings(name, folder),
        lambda folder, path: scene_check.sheet(name, folder, path),
        task="scenes",
    )


def _clips(name: str) -> DataSet:
    layout = clip_layouts.LAYOUTS[name]
    return DataSet(
        name,
        layout.what,
        layout.place,
        layout.find,
        lambda folder: (
            _another(name, folder) or clip_check.findings(layout.listed(folder), layout.known, layout.clips, layout.tags)
        ),
        lambda folder, path: clip_check.sample(layout.listed(folder), path),
    )


def _another(name: str, folder: Path) -> list[Finding]:
    """Where a folder holds the smaller set alone, that one thing is to be said, and not all that it lacks."""
    smaller = clip_layouts.LAYOUTS[name].smaller
    if not smaller or clip_layouts.LAYOUTS[name].listed(folder).tags != clip_layouts.LAYOUTS[smaller].listed(folder).tags:
        return []
    return [Finding("set", f"this is {smaller}: `kdbench data check {smaller}`, and `task: {smaller}` in the suite", right=False)]


SETS = {
    found.name: found
    for found in (
        _cifar("cifar10", "CIFAR-10: 60,000 photographs of 32×32 in ten classes"),
        _cifar("cifar100", "CIFAR-100: 60,000 photographs of 32×32 in a hundred classes"),
        _corrupted("cifar10c", "CIFAR-10-C: the test images under corruptions; for this check, no task is tested on it yet"),
        _corrupted("cifar100c", "CIFAR-100-C: the same of CIFAR-100; for this check, no task is tested on it yet"),
        DataSet(
            "images",
            "any images with one class each, in folders or by a list; Tiny-ImageNet as unpacked",
            images.PLACE,
            images.find,
            image_check.folder_findings,
            image_check.folder_sheet,
            IMAGE_SPLITS,
        ),
        DataSet(
            "imagenet",
            "ImageNet (ILSVRC 2012): 1,281,167 photographs of 1,000 classes, read by task images",
            imagenet_check.PLACE,
            imagenet_check.find,
            imagenet_check.findings,
            image_check.folder_sheet,
            IMAGE_SPLITS,
            task="images",
        ),
        DataSet(
            "svhn", "street view house numbers, a foreign distillation set", svhn.PLACE, svhn.find, image_check.svhn_findings
        ),
        DataSet(
            "passages",
            "any collection of passages with queries and judgements, in the layout of BEIR or MS MARCO",
            passage_set.place(),
            passage_set.find,
            passage_check.findings,
            passage_check.sheet,
            QUERY_SPLITS,
        ),
        DataSet(
            "cranfield",
            "Cranfield: 1,400 abstracts on aerodynamics, 225 queries, graded judgements; read by task passages",
            passage_check.PLACE,
            lambda root: passage_set.find(root, "cranfield"),
            passage_check.cranfield_findings,
            passage_check.sheet,
            QUERY_SPLITS,
            task="passages",
        ),
        *(_scenes(name) for name in scene_layouts.LAYOUTS),
        *(_clips(name) for name in clip_layouts.LAYOUTS),
    )
}


def of_task(task: str) -> list[str]:
    """The sets that a task reads."""
    return [name for name, known in SETS.items() if task in (name, known.task)]
