"""One order and one fingerprint for a labelled set of images or clips, however it lies on disk.

Copies of a set differ in the order of their rows, and a row's number is what draws and stored signals go by. So samples are put
in order by their content: within a class by the sha256 of each, and the classes take turns in proportion to their sizes, so
that every prefix of a set is balanced. The order is as good as random and needs no seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np


def digests(images: np.ndarray) -> np.ndarray:
    """uint8 [N,32]: the sha256 of each image's bytes."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    made = b"".join(hashlib.sha256(row.data).digest() for row in flat)
    return np.frombuffer(made, np.uint8).reshape(-1, 32)


def order(marks: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows in canonical order, from the digests and the labels. Equal images of one class are interchangeable."""
    words = np.ascontiguousarray(marks).view(">u8")
    by_class = np.lexsort((words[:, 1], words[:, 0], labels))
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    turn = (rank + 0.5) / np.repeat(counts, counts)
    return by_class[np.lexsort((labels[by_class], turn))]


def fingerprint(splits: Iterable[tuple[np.ndarray, np.ndarray]]) -> str:
    """The sha256 of digests and labels of all splits, each in canonical order: the same for every layout of the same data."""
    total = hashlib.sha256()
    for marks, labels in splits:
        rows = order(marks, labels)
        total.update(len(rows).to_bytes(8, "little"))
        total.update(np.ascontiguousarray(marks[rows]).data)
        total.update(labels[rows].astype("<i8").tobytes())
    return total.hexdigest()


def leaked(marks: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many images of each held-out split are, byte for byte, also in train."""
    return {split: _shared(own, marks["train"]) for split, own in marks.items() if split != "train"} if "train" in marks else {}


def leaks(marks: Mapping[str, np.ndarray]) -> list[str]:
    """The same in words; nothing of a split that shares none."""
    found = leaked(marks)
    return [f"{count:,} images of {split} are, byte for byte, also in train" for split, count in found.items() if count]


def distinct(marks: np.ndarray) -> set[bytes]:
    """The digests, each once."""
    return {row.tobytes() for row in marks}


def _shared(one: np.ndarray, other: np.ndarray) -> int:
    """How many images of one set are, byte for byte, also in the other."""
    theirs = distinct(other)
    return sum(row.tobytes() in theirs for row in one)
