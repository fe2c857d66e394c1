"""Looks at image sets: counts, balance, colours, unreadable files, images that are in two splits, and which set it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import canonical, twins
from kdbench.tasks.data.findings import Finding, against, identified, some
from kdbench.tasks.data.photos import cifar, cifar_pickle, image_files, image_layouts, image_tree, images, svhn
from kdbench.tasks.data.photos.image_sheet import sheet
from kdbench.tasks.data.threads import each

SHOWN = 5  # unreadable files that are named
LOOK = 64  # pixels of a side at which a folder's images are tried


def _balance(labels: np.ndarray, classes: int) -> str:
    """How many images, and how evenly spread."""
    counts = np.bincount(labels, minlength=classes)
    low, high = int(counts.min()), int(counts.max())
    return f"{len(labels):,} images, {classes:,} classes, {f'{low:,} each' if low == high else f'{low:,} to {high:,} each'}"


def _moments(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel of uint8 [N,3,H,W], of the pixels / 255, from exact counts of the values."""
    counts = np.array([np.bincount(pixels[:, channel].ravel(), minlength=256) for channel in range(pixels.shape[1])])
    value = np.arange(256) / 255
    mean = counts @ value / counts.sum(1)
    return mean, np.sqrt(counts @ value**2 / counts.sum(1) - mean**2)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.5f}" for value in values)


def doubles(marks: Mapping[str, np.ndarray], files: Mapping[str, Sequence[Path]], base: Path) -> list[Finding]:
    """Images that are there twice, byte for byte: within a split, and (which flatters a test) across splits. In a published set
    (no files given) that is a fact of the set, in one of one's own a fault.
    """
    found = twins.doubles(marks, files, base)
    for split, count in canonical.leaked(marks).items():
        text, both = f"{count:,} of {split} are also in train", {name: marks[name] for name in (split, "train")}
        right = not count if files else None
        found.append(twins.told("leaks", text, both, files, base, right) if count else Finding("leaks", text, right=right))
    return found


def cifar_findings(name: str, folder: Path) -> list[Finding]:
    """A folder of CIFAR beside what is known of the published set."""
    published = cifar.KNOWN[name]
    pickled = cifar.is_pickled(published, folder)
    found = [Finding("layout", "pickles" if pickled else "image folders")]
    if pickled:
        changed = [file for file, known in published.md5.items() if cifar_pickle.md5(folder / file) != known]
        told = f"{', '.join(changed)} not byte for byte the published files" if changed else "md5 as published"
        found.append(Finding("files", told, right=None if changed else True))  # what counts is what is in them
    else:
        bad = _unreadable(image_tree.read(folder), cifar.SIZE, exact=True)
        if bad:
            return [*found, bad]
    read = cifar.read(name, folder)
    for split, (_, labels), size in (("train", read.train, published.sizes[0]), ("test", read.test, published.sizes[1])):
        known = f"{size:,} images, {published.classes:,} classes, {size // published.classes:,} each"
        found.append(against(split, _balance(labels, len(read.classes)), known))
    mean, deviation = _moments(read.train.images)
    found.append(against("mean RGB", _numbers(mean), _numbers(published.mean)))
    found.append(against("sd RGB", _numbers(deviation), _numbers(published.std)))
    found += doubles(read.marks, {}, folder)
    found.append(identified(read.fingerprint, known=published.fingerprint))
    return found


def folder_findings(folder: Path) -> list[Finding]:
    """A folder of images of which nothing is known beforehand."""
    found = images.listed(folder)
    lines = [Finding("layout", found.layout)]
    lines += [Finding(split, _balance(labels, len(found.classes))) for split, labels in found.labels.items()]
    bad = _unreadable(image_layouts.read(folder), LOOK, exact=False)
    lines.append(bad or Finding("files", "all can be read", right=True))
    if others := image_tree.left_out(folder):
        told = some([f"{ending} {number:,}" for ending, number in others.most_common()], SHOWN)
        lines.append(Finding("left out", f"{others.total():,} not read, by their ending: {told}"))
    lines += doubles(found.marks, found.files, folder)
    lines += twins.contradictory("the same image under two classes", found.marks, found.labels, found.files, folder)
    return [*lines, identified(found.fingerprint)]


def _unreadable(tree: image_tree.Tree, size: int, exact: bool) -> Finding | None:
    """The files that cannot be decoded, all counted and some named."""

    def wrong(path: Path) -> str:
        try:
            image_files.decode(path, size, exact)
        except DataError as error:
            return str(error)
        return ""

    bad = tuple(told for files, _ in tree.splits.values() for told in each(wrong, files) if told)
    return Finding("files", f"{len(bad):,} unreadable: {some(bad, SHOWN, '; ')}", right=False, names=bad) if bad else None


def svhn_findings(path: Path) -> list[Finding]:
    lines = [against("md5", cifar_pickle.md5(path), svhn.MD5)]
    return [*lines, against("train", f"{len(svhn.read(path)):,} images", f"{svhn.COUNT:,} images")] if lines[0].right else lines


def cifar_sheet(name: str, folder: Path, path: Path) -> None:
    read = cifar.read(name, folder)
    sheet(*read.test, read.classes, path)


def folder_sheet(folder: Path, path: Path) -> None:
    found = images.listed(folder)
    files, labels = found.files["test"][:40], found.labels["test"][:40]
    sheet(np.stack([image_files.decode(file, LOOK) for file in files]), labels, found.classes, path)
