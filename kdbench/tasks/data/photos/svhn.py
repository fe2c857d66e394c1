"""Street View House Numbers, cropped: 73,257 training images of 32×32, here a foreign distillation set without labels.

Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Ng: Reading Digits in Natural Images with Unsupervised Feature
Learning. NIPS workshop, 2011.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.photos.cifar_pickle import md5
from kdbench.tasks.data.place import Place

FILE, MD5 = "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"
COUNT = 73_257
PLACE = Place("SVHN", ("svhn", "SVHN"), f"{FILE}", f"put http://ufldl.stanford.edu/housenumbers/{FILE} there")


def find(root: str = "") -> Path:
    return PLACE.find(lambda folder: (folder / FILE).is_file(), root) / FILE


@functools.lru_cache(maxsize=1)
def read(path: Path) -> np.ndarray:
    """uint8 [N,3,32,32] in the file's order. Its md5 is checked, so that order is everybody's."""
    from scipy.io import loadmat

    found = md5(path)
    if found != MD5:
        raise DataError(f"{path}: md5 {found}, the published file has {MD5}")
    return np.ascontiguousarray(loadmat(path)["X"].transpose(3, 2, 0, 1))
