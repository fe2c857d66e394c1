"""One split of a set of images, in memory or mapped: the pixels, and the class of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    images: np.ndarray  # uint8 [N,3,H,W]
    labels: np.ndarray  # int64 [N]

    def rows(self, some: slice | np.ndarray) -> Split:
        return Split(self.images[some], self.labels[some])
