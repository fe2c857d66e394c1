"""A set of images with label maps in a folder: which files belong together, in an order and with a fingerprint of their own.

Rows are ordered by a hash of their stems, so that every prefix of a set is as good as a random part and no copy's order matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.scenes.label_files import Writing

SHOWN = 3  # files that are named
Files = Mapping[str, Path]  # stem -> file


@dataclass(frozen=True)
class Tree:
    """What lies in a folder: of each split the images and the labels by stem, and how the labels are written down."""

    code: str  # a name of label_maps
    splits: Mapping[str, tuple[Files, Files]]
    writing: Writing = field(default_factory=Writing)


@dataclass(frozen=True)
class Layout:
    """A published way of laying out a set. `known` says how many pairs each split of the published set has."""

    name: str
    what: str
    place: Place
    fits: Callable[[Path], bool]
    read: Callable[[Path], Tree]
    known: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Part:
    """A split in canonical order. `labels` is empty where the split has none."""

    stems: list[str]
    images: list[Path]
    labels: list[Path]

    def rows(self, some: slice) -> Part:
        return Part(self.stems[some], self.images[some], self.labels[some])


@dataclass(frozen=True, eq=False)
class SceneSet:
    folder: Path
    tree: Tree
    parts: dict[str, Part]
    marks: dict[str, np.ndarray]  # digests of the images
    fingerprint: str


def by_stem(files: list[Path], stem: Callable[[Path], str]) -> dict[str, Path]:
    """Files by stem; two files of one stem are refused, since either might be meant."""
    found: dict[str, Path] = {}
    for path in files:
        name = stem(path)
        if name in found:
            raise DataError(f"{path}: {found[name].name} is there too, and a label cannot belong to both")
        found[name] = path
    return found


def partners(images: Files, labels: Files) -> tuple[list[str], list[str]]:
    """Stems of images without a label, and of labels without an image."""
    return sorted(set(images) - set(labels)), sorted(set(labels) - set(images))


def _paired(split: str, images: Files, labels: Files, folder: Path, drop: bool) -> Part:
    """The split in canonical order. A split may have no labels at all; where some lack their partner, that is an error."""
    lone, orphans = partners(images, labels)
    if labels and (lone or orphans) and not drop:
        told = [f"{len(stems):,} {what} ({', '.join(stems[:SHOWN])}{', …' if len(stems) > SHOWN else ''})"
                for what, stems in (("images without a label", lone), ("labels without an image", orphans)) if stems]  # fmt: skip
        raise DataError(f"{folder}: {split}: {' and '.join(told)}; add them, or leave both out with params: {{unpaired: drop}}")
    chosen = set(images) & set(labels) if labels else set(images)
    stems = sorted(chosen, key=lambda stem: hashlib.sha256(stem.encode()).digest())
    return Part(stems, [images[stem] for stem in stems], [labels[stem] for stem in stems] if labels else [])


def listed(layout: Layout, folder: Path, drop: bool = False) -> SceneSet:
    """The files and their digests; nothing is decoded."""
    tree = layout.read(folder)
    parts, marks, total = {}, {}, hashlib.sha256()
    for split, (images, labels) in sorted(tree.splits.items()):
        part = _paired(split, images, labels, folder, drop)
        if not part.stems:
            raise DataError(f"{folder}: {split}: no image has a label")
        marks[split] = np.asarray(array_cache.digests(part.images, folder))
        of_labels = np.asarray(array_cache.digests(part.labels, folder)) if part.labels else np.empty((0, 32), np.uint8)
        told = "\n".join([split, str(len(part.stems)), *part.stems])
        for piece in (told.encode(), np.ascontiguousarray(marks[split]).data, np.ascontiguousarray(of_labels).data):
            total.update(hashlib.sha256(piece).digest())
        parts[split] = part
    return SceneSet(folder, tree, parts, marks, total.hexdigest())
