"""scikit-learn's digits: 1,797 real 8×8 grey images that ship inside its wheel, with a frozen, class-balanced split.

Writers are not identified in this set, so the same hand may appear in train and test.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from kdbench.contract.errors import DataError

IMAGES_SHA256 = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
LABELS_SHA256 = "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"
SPLIT_SEED = 20261121  # drawn anew for this project: no constant here was chosen by looking at this test split
TEST_PER_CLASS, TRAIN_PER_CLASS = 60, 90
FOREIGN_SEED = 20261122


@functools.cache
def load() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{train, val, test: (images uint8 [N,8,8] in 0..16, labels int64 [N])}; train is ordered so that any prefix is balanced."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
    for name, array, expected in (("images", images, IMAGES_SHA256), ("labels", labels, LABELS_SHA256)):
        found = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        if found != expected:
            raise DataError(f"scikit-learn's digits {name} have sha256 {found[:12]}…, expected {expected[:12]}…")
    rng = np.random.default_rng(SPLIT_SEED)
    parts: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for digit in range(10):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        test, train = TEST_PER_CLASS, TEST_PER_CLASS + TRAIN_PER_CLASS
        parts["test"].append(rows[:test])
        parts["train"].append(rows[test:train])
        parts["val"].append(rows[train:])
    index = {name: np.concatenate(rows) for name, rows in parts.items()}
    index["train"] = np.stack(parts["train"], 1).ravel()  # 0..9, 0..9, …
    return {name: (images[rows], labels[rows].astype(np.int64)) for name, rows in index.items()}


def scrambled(images: np.ndarray) -> np.ndarray:
    """Another domain of the same pixel statistics: the pixels of every image in one and the same wrong order."""
    order = np.random.default_rng(FOREIGN_SEED).permutation(images[0].size)
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


def noise(images: np.ndarray) -> np.ndarray:
    """As many images of independent, uniform grey values: no input of the task looks like them."""
    return np.random.default_rng(FOREIGN_SEED + 1).integers(0, 17, images.shape, dtype=np.uint8)
